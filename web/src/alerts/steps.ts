/** The steps of an alert's timeline in words. */
import type { Notification, TimelineStep } from '../api/types';
import { plural } from '../lib/format';
import { inOwnTime } from './states';

export const CHANNELS: Record<string, string> = { email: 'e-mail', slack: 'Slack', webhook: 'webhook', pagerduty: 'PagerDuty', apprise: 'Apprise' };

export interface Told {
  icon: string;
  tone: string;
  /** Who did it; empty for the monitor. */
  actor: string;
  text: string;
  /** What somebody said about it. */
  quote: string;
  /** Which way it was done, where that is not these pages. */
  via: string;
  delivery: Notification['status'] | null;
  error: string;
}

const WAYS: Record<string, string> = { api: 'by API', link: 'from a message', pagerduty: 'in PagerDuty' };
const WORDS: Record<string, [icon: string, text: string, tone: string]> = {
  fired: ['bell', 'Began to fire', 'is-critical'],
  happened: ['bell', 'Happened', 'is-info'],
  ended: ['check', 'Ended: the condition holds no more', 'is-ok'],
  acknowledged: ['eye', 'acknowledged it', ''],
  unacknowledged: ['undo', 'took the acknowledgement back', ''],
  assigned: ['user', 'assigned it to', ''],
  unassigned: ['user', 'assigned it to nobody', ''],
  snoozed: ['clock', 'snoozed it', ''],
  unsnoozed: ['bell', 'woke it', ''],
  silenced: ['bell-off', 'silenced it', ''],
  unsilenced: ['bell', 'ended the silence', ''],
  commented: ['comment', 'said', ''],
  resolved: ['flag', 'resolved it', 'is-ok'],
  judged: ['flag', 'judged it', ''],
};
/** Texts that go on with the sentence; the others are what somebody said. */
const GOES_ON = new Set(['assigned', 'snoozed', 'silenced', 'judged']);

const NOBODY: Told = { icon: '', tone: '', actor: '', text: '', quote: '', via: '', delivery: null, error: '' };

export function tell(step: TimelineStep, notification: Notification | undefined, now: number): Told {
  if (step.action === 'notified') return tellNotification(step, notification);
  if (step.action === 'unsilenced' && !step.actor) return { ...NOBODY, icon: 'bell', text: 'The silence ended by itself' };
  const [icon, words, tone] = WORDS[step.action] ?? ['info', step.action, ''];
  const goesOn = GOES_ON.has(step.action);
  // "until 14:00 UTC: why" goes on, and then quotes.
  const [head, ...rest] = goesOn ? splitReason(step.action, inOwnTime(step.text ?? '', now)) : ['', step.text ?? ''];
  return { ...NOBODY, icon, tone, actor: step.actor ?? '', text: head ? `${words} ${head}` : words, quote: rest.join(''), via: WAYS[step.via ?? ''] ?? '' };
}

function splitReason(action: string, text: string): string[] {
  if (action === 'assigned') return [text];
  const at = text.indexOf(': ');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 2)];
}

function tellNotification(step: TimelineStep, notification: Notification | undefined): Told {
  const status = step.status as Notification['status'] | null;
  const isResolved = notification?.kind === 'resolved' || (step.text ?? '').startsWith('[RESOLVED');
  const whom = `${step.actor ?? 'somebody'} by ${CHANNELS[step.via ?? ''] ?? step.via ?? 'some way'}`;
  const what = notification?.kind === 'notice' ? 'of it' : isResolved ? 'that it has ended' : 'that it fires';
  const attempts = notification?.attempts ?? 0;
  const SENTENCES: Record<Notification['status'], string> = {
    sent: `Told ${whom} ${what}${attempts > 1 ? `, at the ${ordinal(attempts)} attempt` : ''}`,
    queued: `Is about to tell ${whom} ${what}`,
    retrying: `Could not yet tell ${whom} ${what}, after ${plural(attempts, 'attempt')}`,
    failed: `Could not tell ${whom} ${what}, and gave up after ${plural(attempts, 'attempt')}`,
    superseded: `Did not tell ${whom} ${what}: a later message took its place`,
  };
  return {
    ...NOBODY,
    icon: 'send',
    tone: status === 'failed' ? 'is-critical' : status === 'retrying' ? 'is-warning' : '',
    text: SENTENCES[status ?? 'sent'],
    delivery: status,
    error: notification?.last_error && (status === 'failed' || status === 'retrying') ? notification.last_error : '',
  };
}

function ordinal(n: number): string {
  const tens = n % 100;
  return `${n}${tens > 10 && tens < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')}`;
}
