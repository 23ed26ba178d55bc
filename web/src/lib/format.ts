/** Numbers as people read them. */
import type { Unit } from '../api/types';

const trim = (value: number, digits: number): string => Number(value.toPrecision(digits)).toString();

/** 1284 → "1,284", 12840 → "12.8k". */
export function num(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (size >= 999.5e9) return `${trim(value / 1e12, 3)}T`;
  if (size >= 999.5e6) return `${trim(value / 1e9, 3)}G`;
  if (size >= 999.5e3) return `${trim(value / 1e6, 3)}M`;
  if (size >= 1e4) return `${trim(value / 1e3, 3)}k`;
  if (size >= 1e3) return `${(value / 1e3).toFixed(1).replace('.0', '')}k`;
  if (size >= 100 || Number.isInteger(value)) return trim(value, 4);
  if (size >= 0.001) return trim(value, 3);
  return size === 0 ? '0' : value.toExponential(1);
}

/** A whole count with thousands separators. */
export const count = (value: number): string => (Math.abs(value) >= 1e5 ? num(value) : value.toLocaleString('en-US'));

/** A value to read off, not to compare at a glance: 2103.25 → "2,103.25". */
export function exact(value: number): string {
  const size = Math.abs(value);
  return Number.isFinite(value) && (size === 0 || (size >= 1e-4 && size < 1e15)) ? value.toLocaleString('en-US', { maximumSignificantDigits: 15 - (size < 1e9 ? 6 : 0) }) : num(value);
}

/** 0.34 → "340 ms". */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 0.001) return `${trim(value * 1e6, 3)} µs`;
  if (size < 1) return `${trim(value * 1e3, 3)} ms`;
  if (size < 90) return `${trim(value, 3)} s`;
  return span(value);
}

/** 3840 → "1h 4m": the two largest units. */
export function span(value: number): string {
  const total = Math.max(0, Math.round(value));
  const parts: [number, string][] = [
    [Math.floor(total / 86_400), 'd'],
    [Math.floor(total / 3600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'm'],
    [total % 60, 's'],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}${unit}`)
    .join(' ');
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [size, unit] = [value, 0];
  while (Math.abs(size) >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${Math.abs(size) >= 100 ? Math.round(size) : trim(size, 3)} ${units[unit]}`;
}

/** A fraction as percent; close to the whole it keeps the digits that matter: 99.982%. */
export function percent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined || Number.isNaN(fraction)) return '–';
  const value = fraction * 100;
  if (value === 0 || value === 100) return `${value}%`;
  if (value > 99 && value < 100) return `${(Math.floor(value * 1000) / 1000).toFixed(value > 99.9 ? 3 : 2)}%`;
  return `${trim(value, Math.abs(value) >= 100 ? 4 : 3)}%`;
}

export function inUnit(value: number | null | undefined, unit: Unit | null): string {
  switch (unit) {
    case 'percent':
    case 'ratio':
      return percent(value);
    case 'seconds':
      return seconds(value);
    case 'bytes':
      return bytes(value);
    case 'per_second':
      return value === null || value === undefined ? '–' : `${num(value)}/s`;
    case 'per_hour':
      return value === null || value === undefined ? '–' : `${num(value)}/h`;
    default:
      return num(value);
  }
}

/** A measured value as people read it: no digits that mean nothing. Axis labels keep theirs, see `inUnit`. */
export function reading(value: number | null | undefined, unit: Unit | null): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return inUnit(value, unit);
  const size = Math.abs(value);
  switch (unit) {
    case 'seconds':
      return duration(value);
    case 'per_hour':
      return `${num(size >= 10 ? Math.round(value) : Number(value.toFixed(1)))}/h`;
    case 'percent':
    case 'ratio':
      return size >= 0.1 && size < 0.99 ? `${(value * 100).toFixed(1).replace('.0', '')}%` : percent(value);
    case 'count':
      return size >= 10 ? num(Math.round(value)) : num(Number(value.toFixed(1)));
    default:
      return inUnit(value, unit);
  }
}

/** A measured duration: "12 ms" above ten, "7.1 ms" below. */
export function duration(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value) || value === 0) return seconds(value);
  const size = Math.abs(value);
  if (size < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (size < 0.9995) return `${size >= 0.00995 ? Math.round(value * 1e3) : (value * 1e3).toFixed(1)} ms`;
  if (size < 90) return `${value.toFixed(size >= 10 ? 1 : 2)} s`;
  return span(value);
}

/** What stands beside a panel's title; empty where each value says its own unit. */
export const unitLabel: Record<Unit, string> = {
  percent: '%',
  ratio: '%',
  seconds: '',
  per_hour: 'per hour',
  per_second: 'per second',
  bytes: '',
  count: '',
};

/** A notification's title without the state in brackets, which stands beside it. */
export const subjectOf = (title: string): string => title.replace(/^(\[DRILL\]\s*)?\[(?:FIRING|RESOLVED)[^\]]*\]\s*/, '$1') || title;

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
