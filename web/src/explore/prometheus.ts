/** What the query box asks of Prometheus' API, remembered for a while. */
import type { PrometheusClient } from '@prometheus-io/codemirror-promql/dist/esm/client/prometheus';
import { get } from '../api/client';

interface Answer<T> {
  status: string;
  data: T;
}

export type Metadata = Record<string, { type: string; help: string; unit?: string }[]>;

const REMEMBER_MS = 60_000;
const SERIES_LIMIT = 2_000;
const remembered = new Map<string, { until: number; value: Promise<unknown> }>();

async function ask<T>(path: string, params: [string, string][]): Promise<T> {
  const query = new URLSearchParams(params).toString();
  const address = query ? `${path}?${query}` : path;
  const known = remembered.get(address);
  if (known && known.until > Date.now()) return known.value as Promise<T>;
  const value = get<Answer<T>>(address).then((answer) => answer.data);
  remembered.set(address, { until: Date.now() + REMEMBER_MS, value });
  value.catch(() => remembered.delete(address));
  return value;
}

export const metricNames = (): Promise<string[]> => ask('/api/v1/label/__name__/values', []);
export const metadata = (): Promise<Metadata> => ask('/api/v1/metadata', []);

export const labelNames = (selector?: string): Promise<string[]> => ask('/api/v1/labels', selector ? [['match[]', selector]] : []);

export const labelValues = (label: string, selector?: string): Promise<string[]> =>
  ask(`/api/v1/label/${encodeURIComponent(label)}/values`, selector ? [['match[]', selector]] : []);

export const seriesOf = (selector: string, startMs?: number, endMs?: number): Promise<Record<string, string>[]> =>
  ask('/api/v1/series', [
    ['match[]', selector],
    ['limit', String(SERIES_LIMIT)],
    ...(startMs !== undefined && endMs !== undefined ? ([['start', String(startMs / 1000)], ['end', String(endMs / 1000)]] as [string, string][]) : []),
  ]);

const quiet = async <T>(answer: Promise<T>, none: T): Promise<T> => {
  try {
    return await answer;
  } catch {
    return none;
  }
};

/** Completion without Prometheus' own client, which asks for flags that this server does not have. */
export const completionClient: PrometheusClient = {
  labelNames: (metric) => quiet(labelNames(metric || undefined), []),
  labelValues: (label, metric) => quiet(labelValues(label, metric || undefined), []),
  metricMetadata: () => quiet(metadata(), {}),
  series: async (metric) => (await quiet(seriesOf(metric), [])).map((labels) => new Map(Object.entries(labels))),
  metricNames: () => quiet(metricNames(), []),
  flags: () => Promise.resolve({}),
};
