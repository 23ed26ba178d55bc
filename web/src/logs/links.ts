/** Addresses of the log page that other pages link to. */
import { withParams } from '../api/client';

const AROUND_MS = 3_600_000;

/** All records of a trace, an hour around the moment that is known of it. */
export function logsOfTrace(traceId: string, at: string | number): string {
  const ms = new Date(at).getTime();
  const time = Number.isNaN(ms) ? { from: 'now-1d' } : { from: Math.round(ms - AROUND_MS), to: Math.round(ms + AROUND_MS) };
  return withParams('/logs', { query: `trace_id:${traceId}`, ...time });
}
