/** What people do about alerts: one at once, or many with a result for each. */
import { change } from '../api/client';
import type { Action, ActionName, ActionResult, BulkResult } from '../api/types';
import { app, messageOf, say } from '../lib/app.svelte';
import { plural } from '../lib/format';

export interface Subject {
  fingerprint: string;
  name: string;
  labels: Record<string, string>;
}

/** Actions that need more than a click. */
export type Asked = 'snooze' | 'assign' | 'comment' | 'resolve';

export const DONE: Record<ActionName, string> = {
  acknowledge: 'acknowledged',
  unacknowledge: 'no longer acknowledged',
  assign: 'assigned',
  snooze: 'snoozed',
  unsnooze: 'awake again',
  comment: 'commented on',
  resolve: 'resolved',
};

export interface Report {
  action: ActionName;
  counts: Omit<BulkResult, 'results'>;
  lines: { subject: Subject; result: ActionResult }[];
}

/** At most so many are handled by one request. */
export const MOST_AT_ONCE = 1000;

export class Acting {
  /** The action whose dialog is open, and about what. */
  asked = $state.raw<{ action: Asked; subjects: Subject[] } | null>(null);
  isBusy = $state(false);
  /** What became of the last action on several alerts. */
  report = $state.raw<Report | null>(null);

  #onDone: () => void;

  constructor(onDone: () => void) {
    this.#onDone = onDone;
  }

  ask(action: Asked, subjects: Subject[]): void {
    if (subjects.length && app.canEdit) this.asked = { action, subjects };
  }

  async run(action: Action, subjects: Subject[]): Promise<boolean> {
    if (!subjects.length || this.isBusy || !app.canEdit) return false;
    this.isBusy = true;
    try {
      const chosen = subjects.slice(0, MOST_AT_ONCE);
      const answer = await change<BulkResult>('POST', '/api/monitor/alerts/actions', { ...action, fingerprints: chosen.map((one) => one.fingerprint) });
      this.#tell(action, chosen, answer);
      this.asked = null;
      this.#onDone();
      return true;
    } catch (error) {
      say(messageOf(error), { isError: true });
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  #tell(action: Action, subjects: Subject[], { results, ...counts }: BulkResult): void {
    const [only] = results;
    if (results.length === 1 && only) {
      this.report = null;
      if (only.status === 'refused') say(only.message ?? 'This was refused.', { isError: true });
      else say(only.status === 'changed' ? `${subjects[0]!.name} ${DONE[action.action]}.` : `${subjects[0]!.name} was so already.`);
      return;
    }
    const byFingerprint = new Map(subjects.map((subject) => [subject.fingerprint, subject]));
    this.report = {
      action: action.action,
      counts,
      lines: results.flatMap((result) => {
        const subject = byFingerprint.get(result.fingerprint);
        return subject ? [{ subject, result }] : [];
      }),
    };
    say(`${plural(counts.changed, 'alert')} ${DONE[action.action]}${counts.refused ? `, ${counts.refused} refused` : ''}.`, { isError: counts.refused > 0 });
  }
}
