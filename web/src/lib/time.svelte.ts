/** The time range of the page (Grafana's from, to, refresh in the URL) and the ticking clock of relative times. */
import { here, setQuery } from './router.svelte';

export const RANGES: { from: string; label: string }[] = [
  { from: 'now-15m', label: 'Last 15 minutes' },
  { from: 'now-1h', label: 'Last 1 hour' },
  { from: 'now-3h', label: 'Last 3 hours' },
  { from: 'now-6h', label: 'Last 6 hours' },
  { from: 'now-12h', label: 'Last 12 hours' },
  { from: 'now-1d', label: 'Last 24 hours' },
  { from: 'now-2d', label: 'Last 2 days' },
  { from: 'now-7d', label: 'Last 7 days' },
  { from: 'now-30d', label: 'Last 30 days' },
];

export const REFRESHES: { value: string; label: string; ms: number | null }[] = [
  { value: 'off', label: 'Off', ms: null },
  { value: '5s', label: '5 s', ms: 5_000 },
  { value: '10s', label: '10 s', ms: 10_000 },
  { value: '30s', label: '30 s', ms: 30_000 },
  { value: '1m', label: '1 min', ms: 60_000 },
  { value: '5m', label: '5 min', ms: 300_000 },
];

const DEFAULT_FROM = 'now-1h';
const DEFAULT_REFRESH = '10s';

class TimeRange {
  from = $derived(here.get('from', DEFAULT_FROM));
  to = $derived(here.get('to', 'now'));
  refresh = $derived(here.get('refresh', DEFAULT_REFRESH));
  refreshMs = $derived((REFRESHES.find((r) => r.value === this.refresh) ?? REFRESHES[2]!).ms);
  /** The URL names a range, or a part of one. */
  isSet = $derived(!!here.get('from') || !!here.get('to'));
  isRelative = $derived(this.to === 'now' && this.from.startsWith('now-'));
  label = $derived(describeRange(this.from, this.to));
}

export const range = new TimeRange();

/** What a drag zoomed from, newest last. */
const zoomedFrom: { from: string; to: string }[] = [];

export function setRange(from: string, to: string): void {
  zoomedFrom.length = 0;
  setQuery({ from, to: to === 'now' ? null : to, cursor: null });
}

/** Goes back to what the page shows where the URL names no range. */
export function clearRange(): void {
  zoomedFrom.length = 0;
  setQuery({ from: null, to: null, cursor: null });
}

export function zoomTo(fromMs: number, toMs: number): void {
  zoomedFrom.push({ from: range.from, to: range.to });
  setQuery({ from: Math.round(fromMs), to: Math.round(toMs) });
}

/** Moves by whole parts of the range, into the past or the future; a moved range stands still. */
export function panBy(fromMs: number, toMs: number, deltaMs: number): void {
  zoomTo(fromMs + deltaMs, toMs + deltaMs);
}

/** Goes back to the range before the last zoom; false when there was none. */
export function zoomBack(): boolean {
  const before = zoomedFrom.pop();
  if (before) setQuery({ from: before.from, to: before.to === 'now' ? null : before.to });
  return before !== undefined;
}

/** The range, refresh interval as a query to hand on to another page; empty when all are the defaults. */
export function carried(): string {
  const query = new URLSearchParams();
  for (const name of ['from', 'to', 'refresh']) {
    const value = here.query.get(name);
    if (value) query.set(name, value);
  }
  const text = query.toString().replaceAll('%3A', ':');
  return text ? `?${text}` : '';
}

export function toMs(text: string): number | null {
  if (/^\d{10,}$/.test(text)) return Number(text);
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** A range in words: "Last 6 hours", "26 Nov 14:00 – 15:30". */
export function describeRange(from: string, to: string): string {
  const known = RANGES.find((r) => r.from === from);
  if (to === 'now' && known) return known.label;
  if (to === 'now' && from.startsWith('now-')) return `Last ${from.slice(4)}`;
  const [start, end] = [toMs(from), to === 'now' ? Date.now() : toMs(to)];
  if (start === null || end === null) return `${from} to ${to}`;
  const isSameDay = new Date(start).toDateString() === new Date(end).toDateString();
  return `${dayAndTime(start)} – ${to === 'now' ? 'now' : isSameDay ? timeOf(end) : dayAndTime(end)}`;
}

const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const SECONDS = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const FULL = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short', day: 'numeric', month: 'short', year: 'numeric',
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'short',
});

type When = number | string | Date;

export const dayOf = (at: When): string => DAY.format(new Date(at));
export const timeOf = (at: When): string => CLOCK.format(new Date(at));
export const secondsOf = (at: When): string => SECONDS.format(new Date(at));
export const dayAndTime = (at: When): string => `${dayOf(at)} ${timeOf(at)}`;
export const fullTime = (at: When): string => FULL.format(new Date(at));

class Clock {
  now = $state(Date.now());

  start(): void {
    setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, 5_000);
    document.addEventListener('visibilitychange', () => (this.now = Date.now()));
  }
}

export const clock = new Clock();

/** "11m": how long ago, in one unit. */
export function ago(at: When, now: number): string {
  const seconds = Math.round((now - new Date(at).getTime()) / 1000);
  if (seconds < -5) return `in ${short(-seconds)}`;
  return seconds < 5 ? 'now' : short(seconds);
}

function short(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  if (seconds < 86_400 * 60) return `${Math.floor(seconds / 86_400)}d`;
  if (seconds < 86_400 * 730) return `${Math.floor(seconds / (86_400 * 30))}mo`;
  return `${Math.floor(seconds / (86_400 * 365))}y`;
}
