/** A rule while it is being written: the fields of the form, and what is sent of them. */
import type { ApiError } from '../api/client';
import type { ManagedRule, NoDataPolicy, RuleDraft, RuleItem, RuleProblem } from '../api/types';

export interface Pair {
  key: string;
  value: string;
}

/** Annotations that have a field of their own, and what else links to a runbook. */
export const [SUMMARY, DESCRIPTION, RUNBOOK] = ['summary', 'description', 'runbook_url'];
const OWN = [SUMMARY, DESCRIPTION, RUNBOOK] as string[];

export class RuleForm {
  type = $state<'alerting' | 'recording'>('alerting');
  name = $state('');
  group = $state('');
  interval = $state('');
  expr = $state('');
  hold = $state('');
  keepFiring = $state('');
  severity = $state('warning');
  labels = $state<Pair[]>([]);
  summary = $state('');
  description = $state('');
  runbook = $state('');
  annotations = $state<Pair[]>([]);
  onNoData = $state<NoDataPolicy | ''>('');
  isEnabled = $state(true);

  /** What a form cannot show is kept: the group's offset and limit. */
  #settings: ManagedRule['settings'] | null = null;

  item = $derived.by((): RuleItem => {
    const labels = toRecord([...(this.type === 'alerting' && this.severity ? [{ key: 'severity', value: this.severity }] : []), ...this.labels]);
    if (this.type === 'recording') return { record: this.name.trim(), expr: this.expr.trim(), ...(labels && { labels }) };
    const annotations = toRecord([{ key: SUMMARY!, value: this.summary }, { key: DESCRIPTION!, value: this.description }, { key: RUNBOOK!, value: this.runbook }, ...this.annotations]);
    return {
      alert: this.name.trim(),
      expr: this.expr.trim(),
      ...(this.hold.trim() && { for: this.hold.trim() }),
      ...(this.keepFiring.trim() && { keep_firing_for: this.keepFiring.trim() }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
    };
  });

  draft = $derived.by((): RuleDraft => {
    const interval = this.interval.trim() || null;
    const isKept = interval === (this.#settings?.interval ?? null);
    return {
      group: this.group.trim(),
      rule: this.item,
      settings: isKept ? null : { query_offset: this.#settings?.query_offset ?? null, limit: this.#settings?.limit ?? 0, interval },
      on_no_data: this.onNoData || null,
      is_enabled: this.isEnabled,
    };
  });

  /** Fills the fields in from a rule that is kept. */
  read(rule: ManagedRule): void {
    this.#settings = rule.settings;
    this.group = rule.group;
    this.interval = rule.settings.interval ?? '';
    this.onNoData = rule.on_no_data ?? '';
    this.isEnabled = rule.is_enabled;
    if (rule.rule) this.readItem(rule.rule);
  }

  /** Fills in what an item of a rule file says. */
  readItem(item: RuleItem): void {
    const labels = pairsOf(item.labels);
    const annotations = pairsOf(item.annotations);
    const of = (key: string): string => annotations.find((one) => one.key === key)?.value ?? '';
    this.type = item.record !== undefined ? 'recording' : 'alerting';
    // An address may hold anything in their place.
    this.name = String(item.alert ?? item.record ?? '');
    this.expr = item.expr;
    this.hold = String(item.for ?? '');
    this.keepFiring = String(item.keep_firing_for ?? '');
    this.severity = labels.find((one) => one.key === 'severity')?.value ?? '';
    this.labels = labels.filter((one) => one.key !== 'severity' || this.type === 'recording');
    [this.summary, this.description, this.runbook] = [of(SUMMARY!), of(DESCRIPTION!), of(RUNBOOK!)];
    this.annotations = annotations.filter((one) => !OWN.includes(one.key));
  }
}

const pairsOf = (record: Record<string, unknown> | undefined): Pair[] => Object.entries(record ?? {}).map(([key, value]) => ({ key, value: String(value) }));

function toRecord(pairs: Pair[]): Record<string, string> | null {
  const filled = pairs.filter(({ key, value }) => key.trim() && value.trim()).map(({ key, value }) => [key.trim(), value] as const);
  return filled.length ? Object.fromEntries(filled) : null;
}

/** What is wrong with the rule, by field: `expr`, `labels.team`, `for`. */
export class Problems {
  #all: RuleProblem[];

  constructor(error: ApiError | null) {
    this.#all = (error?.details.problems as RuleProblem[] | undefined) ?? [];
  }

  /** What is wrong with a field or with one below it. */
  of(field: string): string {
    return this.#all
      .filter((one) => one.field === field || one.field.startsWith(`${field}.`))
      .map((one) => withoutField(one))
      .join('; ');
  }

  /** What belongs to none of the form's fields. */
  others(fields: string[]): string[] {
    return this.#all.filter((one) => !fields.includes(one.field.split('.')[0]!)).map((one) => one.message);
  }

  get isEmpty(): boolean {
    return !this.#all.length;
  }
}

const withoutField = ({ field, message }: RuleProblem): string => {
  const root = field.split('.')[0]!;
  return message.startsWith(`${root}: `) ? message.slice(root.length + 2) : message;
};
