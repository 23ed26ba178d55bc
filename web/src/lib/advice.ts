/** What to do about a target that cannot be scraped, from what its error says. */
import type { Target } from '../api/types';
import { duration } from './format';

const BY_ERROR: [RegExp, string | ((target: Target) => string)][] = [
  [/refused|cannot connect/i, 'Nothing listens at this address: is the process up, and is the port the right one?'],
  [/timed? ?out|deadline|did not answer/i, (one) => `It did not answer within scrape_timeout${one.timeout_seconds ? ` (${duration(one.timeout_seconds)})` : ''}: make it faster, or allow more time.`],
  [/\b401\b|\b403\b|unauthori[sz]ed|forbidden/i, 'It wants to know who asks: set authorization or basic_auth in the scrape config.'],
  [/\b404\b|not found/i, 'It has no page at this path: set metrics_path in the scrape config.'],
  [/certificate|\btls\b|\bssl\b/i, 'Set tls_config in the scrape config: ca_file for an authority of your own, server_name for another name.'],
  [/resolve|name or service|getaddrinfo|no such host|nodename/i, 'The name is not known here: check its spelling and the resolver of this machine.'],
  [/unreachable|no route/i, 'There is no way to this address from here: check the network and the firewall.'],
  [/line \d+/i, 'What it exposes is malformed at the line that is named; nothing of that scrape was stored.'],
  [/\b5\d\d\b/, 'It failed to make its metrics: look into its own log.'],
];

const BY_LIMIT: Record<string, string> = {
  sample_limit: 'Raise sample_limit, or drop metrics with metric_relabel_configs.',
  label_limit: 'Raise label_limit, or drop labels with metric_relabel_configs.',
  label_name_length_limit: 'Raise label_name_length_limit, or drop the label with metric_relabel_configs.',
  label_value_length_limit: 'Raise label_value_length_limit, or shorten the label with metric_relabel_configs.',
  body_size_limit: 'Raise body_size_limit, or have the target expose less.',
  target_limit: 'Raise target_limit, or keep fewer targets with relabel_configs.',
  'metrics.churn_per_target': 'Some label has a new value at every scrape: find it under Cardinality and drop it with metric_relabel_configs.',
};

export function adviceFor(target: Target): string | null {
  if (target.exceeded_limit) return BY_LIMIT[target.exceeded_limit] ?? null;
  if (!target.last_error) return null;
  const found = BY_ERROR.find(([pattern]) => pattern.test(target.last_error!))?.[1];
  return typeof found === 'function' ? found(target) : (found ?? null);
}
