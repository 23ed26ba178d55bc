/** Why an expression has no result: metrics that are not stored, label values that never occurred. */
import { parser } from '@prometheus-io/lezer-promql';
import { labelNames, labelValues, metricNames, seriesOf } from './prometheus';

export interface Finding {
  text: string;
  /** Names to try instead. */
  candidates: string[];
  replaces: string | null;
}

interface Selector {
  metric: string;
  text: string;
  matchers: { label: string; text: string; value: string }[];
}

const MOST_SELECTORS = 4;
const MOST_CANDIDATES = 6;

export function selectorsOf(expr: string): Selector[] {
  const found: Selector[] = [];
  const tree = parser.parse(expr);
  const slice = (node: { from: number; to: number }): string => expr.slice(node.from, node.to);
  tree.iterate({
    enter: (ref) => {
      if (ref.name !== 'VectorSelector') return;
      const node = ref.node;
      const selector: Selector = { metric: '', text: slice(node), matchers: [] };
      const identifier = node.getChild('Identifier');
      if (identifier) selector.metric = slice(identifier);
      for (const matcher of node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
        const name = matcher.getChild('LabelName');
        const literal = matcher.getChild('StringLiteral');
        if (!name || !literal) continue;
        const value = slice(literal).slice(1, -1);
        if (slice(name) === '__name__') selector.metric ||= value;
        else selector.matchers.push({ label: slice(name), text: slice(matcher), value });
      }
      found.push(selector);
    },
  });
  return found.filter((one, i) => found.findIndex((other) => other.text === one.text) === i).slice(0, MOST_SELECTORS);
}

/** Letters to change, bounded; names are short. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

export function nearest(name: string, names: string[]): string[] {
  const words = name.toLowerCase().split(/[_:]/).filter((word) => word.length > 2);
  return names
    .map((other) => ({ other, score: distance(name, other) - 3 * words.filter((word) => other.includes(word)).length }))
    .filter(({ other, score }) => score < Math.max(3, other.length / 2))
    .sort((a, b) => a.score - b.score)
    .slice(0, MOST_CANDIDATES)
    .map(({ other }) => other);
}

async function explainSelector(selector: Selector, fromMs: number, toMs: number): Promise<Finding | null> {
  const { metric, matchers } = selector;
  if (metric) {
    const names = await metricNames();
    if (!names.includes(metric)) {
      return { text: `No metric called ${metric} is stored.`, candidates: nearest(metric, names), replaces: metric };
    }
  }
  if ((await seriesOf(selector.text, fromMs, toMs)).length) return null;
  if (metric && !(await seriesOf(metric, fromMs, toMs)).length) {
    return { text: `${metric} is known, but has no samples in this time range.`, candidates: [], replaces: null };
  }
  for (const matcher of matchers) {
    if ((await seriesOf(`${metric}{${matcher.text}}`, fromMs, toMs)).length) continue;
    const labels = await labelNames(metric || undefined);
    if (!labels.includes(matcher.label)) {
      return { text: `No series of ${metric || 'any metric'} has a label ${matcher.label}. It has: ${labels.filter((l) => l !== '__name__').join(', ') || 'none'}.`, candidates: [], replaces: null };
    }
    const values = await labelValues(matcher.label, metric || undefined);
    return { text: `No series of ${metric || 'any metric'} has ${matcher.text}. Values of ${matcher.label}:`, candidates: values.slice(0, 12), replaces: matcher.value };
  }
  return { text: `Each label of ${selector.text} occurs, but no series has all of them together.`, candidates: [], replaces: null };
}

export async function explainEmpty(expr: string, fromMs: number, toMs: number): Promise<Finding[]> {
  const selectors = selectorsOf(expr);
  const findings = await Promise.all(selectors.map((one) => explainSelector(one, fromMs, toMs)));
  const known = findings.filter((one) => one !== null);
  if (known.length || !selectors.length) return known;
  return [
    {
      text: 'Every series that it reads exists in this range. A comparison may filter everything out, the two sides of an operator may share no labels, or rate() may find fewer than two samples in its window.',
      candidates: [],
      replaces: null,
    },
  ];
}
