/** Times of records, in the viewer's zone, to the millisecond. */
import { dayOf } from '../lib/time.svelte';

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

export function timeOfRecord(at: string, hasDay: boolean): string {
  const date = new Date(at);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
  return hasDay ? `${dayOf(date)} ${time}` : time;
}

export const isToday = (at: string): boolean => new Date(at).toDateString() === new Date().toDateString();
