/** An instant query's answer as rows. */
import type { InstantAnswer } from './queries.svelte';

export interface Row {
  name: string;
  labels: Record<string, string>;
  /** As the server wrote it. */
  value: string;
  /** NaN where it is no number. */
  amount: number;
}

export function rowsOf({ data }: InstantAnswer): Row[] {
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    const value = String((data.result as [number, string])[1]);
    return [{ name: data.resultType, labels: {}, value, amount: numberOf(value) }];
  }
  const result = data.result as { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[];
  return result.map(({ metric, value, values }) => {
    const { __name__: name = '', ...labels } = metric;
    const last = value?.[1] ?? values?.at(-1)?.[1] ?? '';
    return { name, labels, value: last, amount: numberOf(last) };
  });
}

const numberOf = (text: string): number => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : text === '' ? NaN : Number(text));

const COLLATOR = new Intl.Collator('en', { numeric: true });

/** Rows by `value`, `__name__` or a label; with a minus in front the other way round. */
export function sorted(rows: Row[], sort: string): Row[] {
  const key = sort.replace(/^-/, '');
  const direction = sort.startsWith('-') ? -1 : 1;
  const textOf = (row: Row): string => (key === '__name__' ? row.name : (row.labels[key] ?? ''));
  return rows.toSorted((a, b) => {
    if (key !== 'value') return direction * COLLATOR.compare(textOf(a), textOf(b));
    // What is no number goes last, whichever way.
    if (Number.isNaN(a.amount) || Number.isNaN(b.amount)) return Number(Number.isNaN(a.amount)) - Number(Number.isNaN(b.amount));
    return direction * (a.amount < b.amount ? -1 : a.amount > b.amount ? 1 : 0);
  });
}
