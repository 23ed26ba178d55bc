/** Which events of an issue are kept, in words. */
import type { KeptFor } from '../api/types';
import { count, plural } from '../lib/format';

export const KEPT_FOR: Record<KeptFor, { label: string; hint: string }> = {
  first: { label: 'First', hint: 'The first event of the issue' },
  release: { label: 'New release', hint: 'The first event in its release' },
  tag: { label: 'New tag value', hint: 'No event before it had one of its tags’ values' },
  regression: { label: 'Regression', hint: 'The event with which the issue came back' },
};

/** "12 of 4,310 events are kept: …" */
export function sayKept(stored: number, all: number): string {
  if (stored >= all) return `All ${plural(all, 'event')} kept`;
  const what = stored > 1 ? ': the first, the latest, and those that told something new' : '';
  return `${count(stored)} of ${plural(all, 'event')} kept${stored ? what : ''}. Counts are of all.`;
}
