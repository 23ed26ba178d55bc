/** Where alerts stand, in the words and the order of the pages. */
import type { Alert, AlertState, Counts, LiveState, Mute } from '../api/types';
import { dayAndTime, dayOf, timeOf } from '../lib/time.svelte';

/** The tabs of the list: what needs somebody first. */
export const TABS: Record<string, { label: string; states: AlertState[] }> = {
  firing: { label: 'Firing', states: ['firing'] },
  acknowledged: { label: 'Acknowledged', states: ['acknowledged'] },
  snoozed: { label: 'Snoozed', states: ['snoozed'] },
  held: { label: 'Held back', states: ['silenced', 'suppressed'] },
  pending: { label: 'Pending', states: ['pending'] },
  open: { label: 'All open', states: ['pending', 'firing', 'acknowledged', 'snoozed', 'silenced', 'suppressed'] },
  resolved: { label: 'Resolved', states: ['resolved'] },
};

export const EMPTY: Record<string, [string, string]> = {
  firing: ['No alert needs anybody', 'What fires and is neither acknowledged, snoozed nor held back appears here.'],
  acknowledged: ['Nobody works on an alert', 'An acknowledged alert is neither repeated nor escalated. Its resolution is told.'],
  snoozed: ['No alert is snoozed', 'A snoozed alert is not told until then, and told anew if it still fires.'],
  held: ['No alert is held back', 'Silences, inhibition, dependencies and quiet hours hold alerts back; each says why.'],
  pending: ['No alert is pending', 'An alert is pending while its condition holds, but not yet for as long as its rule asks.'],
  open: ['No alert is open', 'Rules, new issues and monitors raise alerts. The rules page shows what is watched.'],
  resolved: ['No alert was resolved yet', 'Alerts that are over stay here with how long they lasted.'],
};

export const countOf = (counts: Counts | null, states: AlertState[]): number | null =>
  counts && states.every((state) => state in counts) ? states.reduce((sum, state) => sum + counts[state as LiveState], 0) : null;

export const SEVERITY: Record<string, string> = { critical: 'Critical', warning: 'Warning', info: 'Info', ok: 'Ok' };

export const SOURCES: Record<string, { label: string; from: string }> = {
  rule: { label: 'Rules', from: 'from a rule' },
  issue: { label: 'Issues', from: 'from an issue' },
  probe: { label: 'Monitors', from: 'from a monitor' },
  monitor: { label: 'ResuMatch Monitor', from: 'from ResuMatch Monitor itself' },
  pushed: { label: 'Other systems', from: 'pushed by another system' },
};

export const MUTES: Record<Mute['kind'], string> = {
  silenced: 'Silenced',
  inhibited: 'Inhibited',
  dependent: 'Follows from another alert',
  time: 'Outside its hours',
  quiet_hours: 'Quiet hours',
  snoozed: 'Snoozed',
  acknowledged: 'Acknowledged',
  flapping: 'Flapping',
};

export const isOver = (alert: Alert): boolean => alert.state === 'resolved';

/** What makes an alert one of many: its labels without its name and severity. */
export const labelsOf = (labels: Record<string, string>): [string, string][] => Object.entries(labels).filter(([key]) => key !== 'alertname' && key !== 'severity');

/** A moment as briefly as today allows: "14:30", "tomorrow 09:00", "27 Nov 14:30". */
export function momentOf(at: string, now: number): string {
  const [day, today, tomorrow] = [dayOf(at), dayOf(now), dayOf(now + 86_400_000)];
  if (day === today) return timeOf(at);
  return day === tomorrow ? `tomorrow ${timeOf(at)}` : dayAndTime(at);
}

const UNTIL = /\s*until (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}) UTC/;

/** A sentence of the server's without the end that it names, where that is shown beside it. */
export const withoutUntil = (text: string): string => text.replace(UNTIL, '');

/** A sentence of the server's with the end that it names in the reader's own time. */
export const inOwnTime = (text: string, now: number): string => text.replace(UNTIL, (_, day: string, time: string) => ` until ${momentOf(`${day}T${time}:00Z`, now)}`).trimStart();
