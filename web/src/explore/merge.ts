/** Several answers on one chart: one column of times, names that tell the queries apart. */
import type { ChartAnswer, Series } from '../api/types';
import { type Column, seriesName } from '../lib/chart';

export interface Named {
  letter: string;
  legend: string;
  answer: ChartAnswer;
}

export interface Line extends Series {
  /** With all labels, where the name on the chart leaves out what all series have in common. */
  full: string;
}

export interface Merged {
  t: number[];
  series: Line[];
  /** What the names leave out, by the query's letter. */
  common: { letter: string; text: string }[];
  fromMs: number;
  toMs: number;
  stepMs: number;
}

/** The answers side by side. Asked at different moments, they may begin a step apart. */
export function mergeAnswers(found: Named[]): Merged | null {
  const first = found[0]?.answer;
  if (!first) return null;
  const names = new Set<string>();
  const unique = (name: string, letter: string): string => {
    const own = names.has(name) ? `${name} (${letter})` : name;
    names.add(own);
    return own;
  };
  const isAligned = found.every(({ answer }) => answer.t.length === first.t.length && answer.t[0] === first.t[0] && answer.step_ms === first.step_ms);
  const t = isAligned ? first.t : [...new Set(found.flatMap(({ answer }) => answer.t))].sort((a, b) => a - b);
  const place = isAligned ? null : new Map(t.map((at, i) => [at, i]));
  const common: Merged['common'] = [];
  const series = found.flatMap(({ letter, legend, answer }) => {
    const shared = legend ? {} : sharedLabels(answer.series);
    if (Object.keys(shared).length) common.push({ letter, text: nameOf(shared) });
    const order = mostTellingFirst(answer.series);
    return answer.series.map((one) => {
      const own = Object.fromEntries(order.filter((label) => !(label in shared) && label in one.labels).map((label) => [label, one.labels[label]!]));
      const name = legend || answer.series.length < 2 ? seriesName(one) : nameOf(own);
      return { ...one, name: unique(name, letter), full: seriesName(one), v: place ? spread(one.v, answer.t, place, t.length) : one.v };
    });
  });
  return {
    t,
    series,
    common,
    fromMs: Math.min(...found.map(({ answer }) => answer.from_ms)),
    toMs: Math.max(...found.map(({ answer }) => answer.to_ms)),
    stepMs: Math.max(...found.map(({ answer }) => answer.step_ms)),
  };
}

/** The labels that have one value in all series; of a single series none. */
export function sharedLabels(series: { labels: Record<string, string> }[]): Record<string, string> {
  if (series.length < 2) return {};
  return Object.fromEntries(Object.entries(series[0]!.labels).filter(([label, value]) => series.every(({ labels }) => labels[label] === value)));
}

/** The labels by how many values they have: names are cut off at the end. */
function mostTellingFirst(series: { labels: Record<string, string> }[]): string[] {
  const values = new Map<string, Set<string>>();
  for (const { labels } of series) for (const [label, value] of Object.entries(labels)) values.set(label, (values.get(label) ?? new Set()).add(value));
  return [...values].sort((a, b) => b[1].size - a[1].size || a[0].localeCompare(b[0])).map(([label]) => label);
}

function nameOf({ __name__: name = '', ...labels }: Record<string, string>): string {
  const inner = Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(', ');
  return inner || !name ? `${name}{${inner}}` : name;
}

function spread(column: Column, times: number[], place: Map<number, number>, length: number): Column {
  const out = new Array<number | null>(length).fill(null);
  column.forEach((value, i) => (out[place.get(times[i]!)!] = value));
  return out;
}
