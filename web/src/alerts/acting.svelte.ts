/** What people do about alerts: one at once, or many with a result for each. */
import { change } from '../api/client';
import type { Action, ActionName, ActionResult, AlertState, BulkResult, Handling, Iso, Outcome } from '../api/types';
import { app, messageOf, say } from '../lib/app.svelte';
import { plural } from '../lib/format';

export interface Subject {
  fingerprint: string;
  name: string;
  labels: Record<string, string>;
  starts_at: Iso;
  state?: AlertState;
  handling?: Handling | null;
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
  done: string;
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
    return this.#send(DONE[action.action], subjects, (chosen) => change<BulkResult>('POST', '/api/monitor/alerts/actions', { ...action, fingerprints: chosen.map((one) => one.fingerprint) }));
  }

  /** Says of firings, past ones too, what they turned out to be; null takes it back. */
  async judge(outcome: Outcome | null, subjects: Subject[]): Promise<boolean> {
    const done = outcome ? `judged ${outcome}` : 'not judged any more';
    return this.#send(done, subjects, (chosen) =>
      change<BulkResult>('PUT', '/api/monitor/alerts/outcomes', { outcome, occurrences: chosen.map(({ fingerprint, starts_at }) => ({ fingerprint, starts_at })) }),
    );
  }

  async #send(done: string, subjects: Subject[], send: (chosen: Subject[]) => Promise<BulkResult>): Promise<boolean> {
    if (!subjects.length || this.isBusy || !app.canEdit) return false;
    this.isBusy = true;
    try {
      const chosen = subjects.slice(0, MOST_AT_ONCE);
      this.#tell(done, chosen, await send(chosen));
      this.asked = null;
      this.#onDone();
      app.renewNav();
      return true;
    } catch (error) {
      say(messageOf(error), { isError: true });
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  #tell(done: string, subjects: Subject[], { results, ...counts }: BulkResult): void {
    // Results come in the order of the subjects; one that was named twice has one.
    const byFingerprint = new Map(results.map((result) => [result.fingerprint, result]));
    const lines = subjects.flatMap((subject, i) => {
      const result = results.length === subjects.length ? results[i] : byFingerprint.get(subject.fingerprint);
      return result ? [{ subject, result }] : [];
    });
    const [only] = lines;
    if (lines.length === 1 && only) {
      const { subject, result } = only;
      this.report = null;
      if (result.status === 'refused') say(result.message ?? 'This was refused.', { isError: true });
      else say(result.status === 'changed' ? `${subject.name} ${done}.` : `${subject.name} was so already.`);
      return;
    }
    this.report = { done, counts, lines };
    say(`${plural(counts.changed, 'alert')} ${done}${counts.refused ? `, ${counts.refused} refused` : ''}.`, { isError: counts.refused > 0 });
  }
}
