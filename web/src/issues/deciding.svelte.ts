/** What people decide about issues: sent, said, and taken back by the message that says it. */
import { change } from '../api/client';
import type { IssueChange } from '../api/workflow';
import { say } from '../lib/app.svelte';
import { Doing } from '../lib/doing.svelte';
import { count, plural } from '../lib/format';

/** What a dialog is to ask for before something can be decided. */
export type Asked = 'release' | 'commit' | 'until' | 'events' | 'users' | 'assign';

/** All issues of a search, whatever page they are on. */
export interface Matching {
  query: string;
  project?: number;
}

interface Answer {
  matched?: number;
  is_matched_exact?: boolean;
  looked_at?: number;
  updated?: number;
  undo: string | null;
}

interface Options {
  /** The issues; asked when something is decided. */
  ids: () => string[];
  /** The search whose issues are all meant; null where `ids` says which are. */
  matching?: () => Matching | null;
  /** Called when something has changed, and when it was taken back. */
  done: () => void;
}

export class Deciding {
  asked = $state<Asked | null>(null);
  /** A decision about all that match, which waits until somebody says yes to their number. */
  waiting = $state.raw<{ wanted: IssueChange; matching: Matching } | null>(null);
  #doing = new Doing();
  #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#doing.isBusy;
  }

  get ids(): string[] {
    return this.#options.ids();
  }

  decide(wanted: IssueChange, ids: string[] = this.ids): Promise<void> {
    const matching = this.#options.matching?.() ?? null;
    if (matching) {
      this.asked = null;
      this.waiting = { wanted, matching };
      return Promise.resolve();
    }
    return this.#doing.run(async () => {
      if (ids.length) this.#tell(wanted, await change<Answer>('PATCH', '/api/monitor/issues', { ids, ...wanted }), ids.length);
    });
  }

  /** Does what waits. */
  confirm(): Promise<void> {
    return this.#doing.run(async () => {
      if (!this.waiting) return;
      const { wanted, matching } = this.waiting;
      const answer = await change<Answer>('PATCH', '/api/monitor/issues', { matching, ...wanted });
      this.waiting = null;
      this.#tell(wanted, answer, answer.looked_at ?? 0);
    });
  }

  #tell(wanted: IssueChange, answer: Answer, asked: number): void {
    const { updated = 0, undo, matched = asked, is_matched_exact: isExact = true } = answer;
    const left = matched - asked;
    const rest = left > 0 ? ` ${count(left)}${isExact ? '' : ' or more'} others match.` : isExact ? '' : ' More match.';
    this.asked = null;
    say(describe(wanted, asked, updated) + rest, undo ? { action: { label: 'Undo', run: () => this.#undo(undo) } } : {});
    this.#options.done();
  }

  #undo(id: string): Promise<void> {
    return this.#doing.run(async () => {
      const { restored, kept } = await change<{ restored: number; kept: number }>('POST', `/api/monitor/issues/undo/${encodeURIComponent(id)}`);
      say(kept ? `${plural(restored, 'issue')} as before; ${kept} changed meanwhile and kept.` : 'As before.');
      this.#options.done();
    });
  }
}

function describe(wanted: IssueChange, asked: number, updated: number): string {
  if (!updated) return 'It was so already.';
  const many = asked > 1 ? `${plural(updated, 'issue')}: ` : '';
  const sentence = many + verb(wanted);
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** What a button does that carries out `wanted`: "Resolve", "Archive". */
export function actOf({ status, assignee, priority }: IssueChange): string {
  if (status) return status === 'resolved' ? 'Resolve' : status === 'ignored' ? 'Archive' : 'Reopen';
  if (assignee !== undefined) return assignee ? `Assign to ${assignee}` : 'Assign to nobody';
  return `Set priority ${priority ?? 'by level'}`;
}

function verb({ status, resolution, archive, assignee, priority }: IssueChange): string {
  if (status === 'resolved') {
    if (resolution?.kind === 'commit') return 'resolved when a release has the commit.';
    if (resolution?.kind === 'next_release') return 'resolved in the next release.';
    return resolution?.release ? `resolved in ${resolution.release}.` : 'resolved. It reopens by itself if it comes back.';
  }
  if (status === 'ignored') return archive && archive.kind !== 'forever' ? 'archived for the time being.' : 'archived.';
  if (status === 'unresolved') return 'reopened.';
  if (assignee !== undefined) return assignee ? `assigned to ${assignee}.` : 'assigned to nobody.';
  return `priority ${priority ?? 'by level'}.`;
}
