/** Words and links that the pages about performance share. */
import { withParams } from '../api/client';
import type { Finding, VitalName } from '../api/performance';
import { duration, num } from '../lib/format';
import { here } from '../lib/router.svelte';

export const VITALS: { name: VitalName; short: string; label: string }[] = [
  { name: 'lcp', short: 'LCP', label: 'Largest contentful paint' },
  { name: 'inp', short: 'INP', label: 'Interaction to next paint' },
  { name: 'cls', short: 'CLS', label: 'Cumulative layout shift' },
  { name: 'fcp', short: 'FCP', label: 'First contentful paint' },
  { name: 'ttfb', short: 'TTFB', label: 'Time to first byte' },
];

export const TONES = { good: 'ok', 'needs improvement': 'warning', poor: 'critical' } as const;
export const WORDS = { good: 'Good', 'needs improvement': 'Needs work', poor: 'Poor' } as const;

export const PARTS: Record<string, string> = {
  db: 'Database',
  http: 'Requests to others',
  cache: 'Cache',
  queue: 'Queue',
  render: 'Templates',
  browser: 'Browser',
  app: 'Own code',
};

export const KINDS = { n_plus_one: 'N+1 query', slow_query: 'Slow query', consecutive_http: 'Consecutive requests' } as const;

/** What usually helps. */
export const ADVICE: Record<Finding['kind'], string> = {
  n_plus_one: 'One query with a join, or with IN and the list of ids, instead of one for each row.',
  slow_query: 'Look at its plan (EXPLAIN ANALYZE): an index is missing, or more rows are read than are needed.',
  consecutive_http: 'Requests that do not need each other’s answers can be sent at the same time.',
};

export const vitalText = (name: VitalName, value: number): string => (name === 'cls' ? value.toFixed(value < 0.1 ? 3 : 2) : duration(value));

/** "12.4 / min", "3 / h" for what is rare. */
export function rate(perMinute: number): string {
  return perMinute >= 0.1 || perMinute === 0 ? `${num(Number(perMinute.toPrecision(3)))}/min` : `${num(Number((perMinute * 60).toPrecision(2)))}/h`;
}

export function apdexTone(value: number | null): string {
  if (value === null) return '';
  return value >= 0.85 ? '' : value >= 0.7 ? 'warning' : 'critical';
}

const KEPT = ['from', 'to', 'refresh', 'environment'];

/** A link to another page about performance that keeps the time range and the environment. */
export function keeping(path: string, further: Record<string, string | number | null> = {}): string {
  const kept = Object.fromEntries(KEPT.map((name) => [name, here.get(name)]));
  return withParams(path, { ...kept, ...further });
}

export const endpointHref = (one: { project_id: number; name?: string; endpoint?: string; op: string }): string =>
  keeping('/performance/endpoint', { project: one.project_id, name: one.name ?? one.endpoint ?? '', op: one.op });
