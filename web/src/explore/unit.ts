/** What an expression's values are measured in, guessed from the names and the metadata of its metrics. */
import type { Unit } from '../api/types';
import type { Metadata } from './prometheus';

export const UNITS: { value: Unit; label: string }[] = [
  { value: 'seconds', label: 'Seconds' },
  { value: 'bytes', label: 'Bytes' },
  { value: 'ratio', label: 'Percent (0–1)' },
  { value: 'per_second', label: 'Per second' },
  { value: 'per_hour', label: 'Per hour' },
  { value: 'count', label: 'Whole numbers' },
];

const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g;
const NAMES = /[a-zA-Z_:][\w:]*(?=\s*(?:$|[{[)\s,*/+-]))/g;
const RATES = /\b(?:rate|irate|deriv)\s*\(/;
const COUNTS = /^\s*(?:count|count_values|group|changes|resets|count_over_time|absent)\b/;
const QUANTILE = /\bhistogram_quantile\s*\(/;

function baseUnit(name: string, known: Metadata): 'seconds' | 'bytes' | 'ratio' | null {
  const stem = name.replace(/_(?:total|bucket|sum)$/, '');
  const said = (known[name] ?? known[stem])?.[0]?.unit;
  if (said === 'seconds' || said === 'bytes' || said === 'ratio') return said;
  if (/_count$/.test(name)) return null;
  return (/_(seconds|bytes|ratio)$/.exec(stem)?.[1] as 'seconds' | 'bytes' | 'ratio' | undefined) ?? null;
}

/** Null where no unit is sure: a plain number is better than a wrong unit. */
export function guessUnit(expr: string, known: Metadata): Unit | null {
  const bare = expr.replace(STRINGS, '""').replace(/\{[^}]*\}/g, '{}').replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  if (COUNTS.test(bare)) return 'count';
  // Moments, not durations, unless they are taken from the present.
  if (/time(?:stamp)?_seconds\b/.test(bare) && !/\btime\s*\(\s*\)/.test(bare)) return null;
  const metrics = [...new Set(bare.match(NAMES) ?? [])].filter((name) => known[name] ?? known[name.replace(/_(?:total|bucket|sum|count)$/, '')] ?? /_(?:total|seconds|bytes|ratio|bucket|sum|count)$/.test(name));
  const units = new Set(metrics.map((name) => baseUnit(name, known)));
  if (/\//.test(bare)) {
    // The mean of a summary or histogram is measured as its sum is; another quotient has no unit of its own.
    const [sum, count] = [metrics.find((name) => name.endsWith('_sum')), metrics.find((name) => name.endsWith('_count'))];
    return sum && count && metrics.length === 2 ? baseUnit(sum, known) : null;
  }
  if (units.size !== 1) return null;
  const unit = [...units][0]!;
  if (QUANTILE.test(bare)) return unit;
  if (RATES.test(bare)) return unit === 'seconds' || unit === 'bytes' ? null : 'per_second';
  return metrics.some((name) => name.endsWith('_bucket')) ? null : unit;
}
