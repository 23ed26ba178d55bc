/** What people decide about issues: sent, said, and taken back by the message that says it. */
import { change } from '../api/client';
import type { IssueChange } from '../api/workflow';
import { say } from '../lib/app.svelte';
import { Doing } from '../lib/doing.svelte';
import { plural } from '../lib/format';

/** What a dialog is to ask for before something can be decided. */
export type Asked = 'release' | 'commit' | 'until' | 'events' | 'users' | 'assign';

interface Answer {
  updated?: number;
  undo: string | null;
}

interface Options {
  /** The issues; asked when something is decided. */
  ids: () => string[];
  /** Called when something has changed, and when it was taken back. */
  done: () => void;
}

export class Deciding {
  asked = $state<Asked | null>(null);
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
    return this.#doing.run(async () => {
      if (!ids.length) return;
      const { updated = 0, undo } = await change<Answer>('PATCH', '/api/monitor/issues', { ids, ...wanted });
      this.asked = null;
      say(describe(wanted, ids.length, updated), undo ? { action: { label: 'Undo', run: () => this.#undo(undo) } } : {});
      this.#options.done();
    });
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
