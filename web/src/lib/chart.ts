/** What the chart draws with: columns for uPlot, axis labels, stacks. No DOM here. */
import type { Series, Unit } from '../api/types';
import { dayOf, secondsOf, timeOf } from './time.svelte';

export type Column = (number | null)[];

export interface Band {
  from: number;
  to: number;
  label: string;
}

export interface Mark {
  at: number;
  label: string;
}

const DAY_MS = 86_400_000;

/** Labels of the time axis: 24 h clock; where the day changes, the date once. */
export function timeLabels(splits: (number | null)[], stepMs: number): (string | null)[] {
  let lastDay = '';
  return splits.map((at) => {
    if (at === null) return null;
    const day = dayOf(at);
    const isNewDay = lastDay !== '' && day !== lastDay;
    lastDay = day;
    if (stepMs >= DAY_MS) return day;
    const time = stepMs < 60_000 ? secondsOf(at) : timeOf(at);
    return isNewDay ? (time.startsWith('00:00') ? day : `${day} ${time}`) : time;
  });
}

/** Sums from the last series up, so that each is drawn over the ones below it. */
export function stack(columns: Column[], isShown: boolean[]): Column[] {
  const total: Column = new Array<number | null>(columns[0]?.length ?? 0).fill(null);
  const out: Column[] = new Array<Column>(columns.length);
  for (let s = columns.length - 1; s >= 0; s -= 1) {
    const column = columns[s]!;
    if (isShown[s]) {
      for (let i = 0; i < total.length; i += 1) {
        const value = column[i] ?? null;
        if (value !== null) total[i] = (total[i] ?? 0) + value;
      }
    }
    out[s] = total.slice();
  }
  return out;
}

export function lastValue(column: Column): number | null {
  for (let i = column.length - 1; i >= 0; i -= 1) {
    const value = column[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

export function meanAndPeak(column: Column): { mean: number | null; peak: number | null } {
  let [sum, n, peak] = [0, 0, -Infinity];
  for (const value of column) {
    if (value === null || value === undefined) continue;
    sum += value;
    n += 1;
    if (value > peak) peak = value;
  }
  return n ? { mean: sum / n, peak } : { mean: null, peak: null };
}

export const hasPoints = (series: Series[]): boolean => series.some((one) => one.v.some((value) => value !== null && value !== undefined));

/** The steps between gridlines: of bytes in powers of two, of durations in parts of a minute. */
export function ticks(min: number, max: number, unit: Unit | null, most: number): number[] {
  // Half an event or half a byte is no gridline.
  const least = unit === 'count' || unit === 'per_hour' || unit === 'bytes' ? 1 : 0;
  const rough = Math.max(least, (max - min) / Math.max(1, most));
  if (!(rough > 0) || !Number.isFinite(rough)) return [min];
  const base = unit === 'bytes' ? 1024 ** Math.floor(Math.log(rough) / Math.log(1024)) : 10 ** Math.floor(Math.log10(rough));
  const choices = unit === 'bytes' ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : least ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const wanted = base * (choices.find((c) => c * base >= rough) ?? choices.at(-1)!);
  // A step beyond the highest value would leave the zero alone; then there are more lines than asked for.
  const step = wanted <= max - min ? wanted : base * (choices.findLast((c) => c * base <= max - min && c * base >= least) ?? wanted / base);
  const out: number[] = [];
  for (let at = Math.ceil(min / step - 1e-9) * step; at <= max + step * 1e-9 && out.length < 20; at += step) out.push(Number(at.toPrecision(12)));
  return out;
}

/** A name for a series that the server left unnamed. */
export function seriesName(series: Series): string {
  // Without labels the server's name for it is an empty pair of braces.
  if (series.name && series.name !== '{}') return series.name;
  const labels = Object.entries(series.labels).filter(([key]) => key !== '__name__');
  const name = series.labels.__name__ ?? '';
  return labels.length ? `${name}{${labels.map(([key, value]) => `${key}="${value}"`).join(', ')}}` : name || 'value';
}

/** Gridlines of a logarithmic axis: the decades, and 2 and 5 between them while there is room. */
export function logTicks(min: number, max: number, most: number): number[] {
  if (!(min > 0) || !(max > min)) return [];
  const decades = Math.log10(max) - Math.log10(min);
  const factors = decades * 3 <= most ? [1, 2, 5] : decades * 2 <= most ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / most));
  const out: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power += 1) {
    if (power % every) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (value >= min && value <= max) out.push(value);
    }
  }
  return out;
}
