/** Histograms over time: cumulative buckets become cells. No DOM here. */
import type { Series, Unit } from '../api/types';
import { seconds, bytes, num } from './format';

export interface HeatMap {
  /** The ends of the columns, milliseconds. */
  t: number[];
  stepMs: number;
  /** The upper bounds of the rows, ascending; the last may be infinite. */
  bounds: number[];
  /** By row, then by column; null where nothing is known. */
  cells: (number | null)[][];
  peak: number;
}

export interface Cell {
  at: number;
  from: number | null;
  to: number;
  value: number | null;
}

const boundOf = (series: Series): number => {
  const text = series.labels.le;
  if (text === undefined) return NaN;
  return text === '+Inf' || text === 'Inf' ? Infinity : Number(text);
};

/** Cells from series with `le`: buckets of equal bounds are added up, and each loses what the one below holds. */
export function heatMapOf(t: number[], stepMs: number, series: Series[]): HeatMap | null {
  const sums = new Map<number, (number | null)[]>();
  for (const one of series) {
    const bound = boundOf(one);
    if (Number.isNaN(bound)) continue;
    const sum = sums.get(bound);
    if (!sum) sums.set(bound, one.v.slice());
    else one.v.forEach((value, i) => value !== null && (sum[i] = (sum[i] ?? 0) + value));
  }
  if (sums.size < 2) return null;
  const bounds = [...sums.keys()].sort((a, b) => a - b);
  let peak = 0;
  const cells = bounds.map((bound, row) => {
    const below = row ? sums.get(bounds[row - 1]!)! : null;
    return sums.get(bound)!.map((value, i) => {
      if (value === null) return null;
      // Scrapes of many targets are not of one moment: a bucket may seem to hold less than the one below.
      const own = Math.max(0, value - (below?.[i] ?? 0));
      peak = Math.max(peak, own);
      return own;
    });
  });
  return { t, stepMs, bounds, cells, peak };
}

export const boundText = (bound: number, unit: Unit | null): string => {
  if (!Number.isFinite(bound)) return '+Inf';
  if (unit === 'seconds') return seconds(bound);
  return unit === 'bytes' ? bytes(bound) : num(bound);
};

/** How strong a cell is drawn, 0 to 1: few must be seen beside many. */
export const strength = (value: number, peak: number): number => (peak > 0 ? Math.sqrt(value / peak) : 0);

export type Rgb = [number, number, number];

export const rgbOf = (color: string): Rgb => {
  const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
};

/** The colour at `share` of the way through the stops. */
export function rampColor(stops: Rgb[], share: number): string {
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const [low, high] = [stops[i]!, stops[i + 1]!];
  return `rgb(${low.map((part, channel) => Math.round(part + (high[channel]! - part) * (at - i))).join(' ')})`;
}
