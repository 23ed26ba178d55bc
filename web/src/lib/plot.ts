/** What is drawn on uPlot's canvas besides its lines, its axes and the ranges of its values. */
import uPlot from 'uplot';
import type { Unit } from '../api/types';
import { type Band, logTicks, type Mark, ticks, timeLabels } from './chart';
import type { Side } from './expression';
import { inUnit } from './format';
import { boundText, type HeatMap, rampColor, type Rgb, rgbOf, strength } from './heatmap';
import { tokenColor } from './theme.svelte';

const AXIS_FONT = '11px Inter, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const STRIP_PX = 8;
const ROW_LABEL_PX = 16;
export const HEAT_TOKENS = ['--h1', '--h2', '--h3', '--h4', '--h5'];

export interface Extras {
  threshold: number | null;
  side: Side;
  bands: Band[];
  marks: Mark[];
}

export const fade = (color: string, alpha: number): string => color.replace(/^rgb\((.+)\)$/, (_, parts: string) => `rgb(${parts.replaceAll(',', ' ')} / ${alpha})`);

/** From zero to a little over the highest value; a threshold is shown unless it would flatten the data. */
export function linearRange(min: number | null, max: number | null, unit: Unit | null, threshold: number | null): uPlot.Range.MinMax {
  const values = [min, max].filter((value): value is number => value !== null && Number.isFinite(value));
  if (!values.length) return [0, 1];
  let [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  // A threshold far above the data would flatten it; then it stays out of sight.
  if (threshold !== null && threshold > 0 && threshold <= high * 2) high = Math.max(high, threshold * 1.1);
  if (high === low) high = threshold !== null && threshold > 0 ? threshold * 1.25 : low + 1;
  if (unit === 'count' || unit === 'per_hour') high = Math.max(high, 1);
  if (unit === 'percent' || unit === 'ratio') return [low, high >= 0.98 && high <= 1 ? 1.02 : high * 1.08];
  return [low < 0 ? low * 1.08 : 0, high * 1.08];
}

/** From the lowest to the highest value with some room, at least half a decade. */
export function logRange(min: number | null, max: number | null): uPlot.Range.MinMax {
  if (min === null || max === null || !(min > 0)) return [1, 10];
  const [low, high] = [min / 1.15, max * 1.15];
  return high / low < 3 ? [low / 1.5, high * 1.5] : [low, high];
}

export function timeAxis(): uPlot.Axis {
  return {
    stroke: () => tokenColor('--tx3'),
    font: AXIS_FONT,
    size: 26,
    gap: 4,
    space: 64,
    grid: { show: false },
    ticks: { show: false },
    values: (_, splits, __, ___, step) => timeLabels(splits, step),
  };
}

function labelWidth(u: uPlot, values: string[] | null): number {
  if (!values?.length) return 30;
  u.ctx.font = AXIS_FONT;
  return Math.ceil(Math.max(...values.map((text) => u.ctx.measureText(text ?? '').width))) + 10;
}

export function valueAxis({ unit, isLog, isEmpty }: { unit: Unit | null; isLog: boolean; isEmpty: () => boolean }): uPlot.Axis {
  const most = (u: uPlot): number => Math.max(2, Math.min(5, Math.floor(u.height / 44)));
  return {
    stroke: () => tokenColor('--tx3'),
    font: AXIS_FONT,
    gap: 6,
    size: labelWidth,
    grid: { stroke: () => tokenColor('--grid'), width: 1 },
    ticks: { show: false },
    splits: (u, _, min, max) => (isEmpty() ? [] : isLog ? logTicks(min, max, most(u) + 2) : ticks(min, max, unit, most(u))),
    // Its own filter would leave decades without a label.
    filter: (_, splits) => splits,
    values: (_, splits) => splits.map((value) => inUnit(value, unit)),
  };
}

/** The bounds of a heat map's rows at their edges, as many as have room. */
export function bucketAxis(heat: () => HeatMap, unit: Unit | null): uPlot.Axis {
  return {
    stroke: () => tokenColor('--tx3'),
    font: AXIS_FONT,
    gap: 6,
    size: labelWidth,
    grid: { show: false },
    ticks: { show: false },
    splits: (u) => {
      const rows = heat().bounds.length;
      const every = Math.max(1, Math.ceil((rows * ROW_LABEL_PX) / Math.max(1, u.bbox.height / uPlot.pxRatio)));
      return Array.from({ length: Math.floor(rows / every) }, (_, i) => (i + 1) * every);
    },
    values: (_, splits) => splits.map((row) => boundText(heat().bounds[row - 1] ?? NaN, unit)),
  };
}

function clipped(u: uPlot, draw: (ctx: CanvasRenderingContext2D) => void): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  draw(ctx);
  ctx.restore();
}

const heatStops = (): Rgb[] => HEAT_TOKENS.map((token) => rgbOf(tokenColor(token)));

export const heatColor = (value: number, peak: number): string => rampColor(heatStops(), strength(value, peak));

export function drawCells(u: uPlot, heat: HeatMap): void {
  const stops = heatStops();
  const gap = uPlot.pxRatio;
  clipped(u, (ctx) => {
    heat.cells.forEach((row, r) => {
      const top = Math.round(u.valToPos(r + 1, 'y', true));
      const height = Math.max(1, Math.round(u.valToPos(r, 'y', true)) - top - gap);
      row.forEach((value, i) => {
        if (!value) return;
        const right = Math.round(u.valToPos(heat.t[i]!, 'x', true));
        const left = Math.round(u.valToPos(heat.t[i]! - heat.stepMs, 'x', true));
        ctx.fillStyle = rampColor(stops, strength(value, heat.peak));
        ctx.fillRect(left, top, Math.max(1, right - left - (right - left > 4 * gap ? gap : 0)), height);
      });
    });
  });
}

/** What lies behind the lines: outages, and a strip on the bad side of the threshold. */
export function drawBehind(u: uPlot, { threshold, side, bands }: Extras, isEmpty: boolean): void {
  const { left, top, width, height } = u.bbox;
  clipped(u, (ctx) => {
    for (const band of bands) {
      const [a, b] = [u.valToPos(band.from, 'x', true), u.valToPos(band.to, 'x', true)];
      ctx.fillStyle = fade(tokenColor('--crit'), 0.16);
      ctx.fillRect(a, top, Math.max(b - a, 2), height);
    }
    if (threshold !== null && !isEmpty && threshold <= (u.scales.y?.max ?? 0) && side !== 'at') {
      const y = u.valToPos(threshold, 'y', true);
      // A strip says which side is bad; the whole side in red would say that it is bad now.
      const strip = STRIP_PX * uPlot.pxRatio;
      ctx.fillStyle = fade(tokenColor('--crit'), 0.1);
      ctx.fillRect(left, side === 'above' ? y - strip : y, width, strip);
    }
  });
}

/** What lies above the lines: the threshold and the marks. */
export function drawAbove(u: uPlot, { threshold, marks }: Extras, isEmpty: boolean): void {
  const { left, top, width, height } = u.bbox;
  const ratio = uPlot.pxRatio;
  const line = (ctx: CanvasRenderingContext2D, ax: number, ay: number, bx: number, by: number): void => {
    ctx.beginPath();
    ctx.moveTo(ax, ay);
    ctx.lineTo(bx, by);
    ctx.stroke();
  };
  clipped(u, (ctx) => {
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    if (threshold !== null && !isEmpty && threshold <= (u.scales.y?.max ?? 0)) {
      const y = Math.round(u.valToPos(threshold, 'y', true));
      ctx.strokeStyle = tokenColor('--crit');
      line(ctx, left, y, left + width, y);
    }
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.strokeStyle = tokenColor('--tx3');
    for (const mark of marks) {
      const x = Math.round(u.valToPos(mark.at, 'x', true));
      line(ctx, x, top, x, top + height);
    }
  });
}
