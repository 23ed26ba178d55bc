/** What can be done with a rule that is kept: saved, switched, deleted, brought back; and conflicts with others. */
import { ApiError, change, withParams } from '../api/client';
import type { ManagedRule, RuleDraft } from '../api/types';
import { messageOf, say } from '../lib/app.svelte';

const BASE = '/api/monitor/rules/managed';

export class Editing {
  /** The rule as it was read or saved last; null for a new one. */
  base = $state.raw<ManagedRule | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** What others have made of it meanwhile; `current` is null if they deleted it. */
  conflict = $state.raw<{ current: ManagedRule | null } | null>(null);
  isBusy = $state(false);

  get path(): string {
    return `${BASE}/${encodeURIComponent(this.base!.id)}`;
  }

  /** Saves a draft, or answers null: then `error` or `conflict` says why. */
  save(draft: RuleDraft, version = this.base?.version): Promise<ManagedRule | null> {
    return this.#do(() => (this.base ? change('PUT', this.path, { ...draft, version }) : change('POST', BASE, draft)));
  }

  switch(isOn: boolean): Promise<ManagedRule | null> {
    return this.#do(() => change('POST', `${this.path}/${isOn ? 'enable' : 'disable'}`, { version: this.base!.version }));
  }

  revert(to: number): Promise<ManagedRule | null> {
    const version = this.conflict?.current?.version ?? this.base!.version;
    return this.#do(() => change('POST', `${this.path}/revert`, { version, to }));
  }

  async remove(): Promise<boolean> {
    const done = await this.#do(async () => {
      await change('DELETE', withParams(this.path, { version: this.base!.version }));
      return this.base!;
    });
    return done !== null;
  }

  async #do(act: () => Promise<ManagedRule>): Promise<ManagedRule | null> {
    if (this.isBusy) return null;
    this.isBusy = true;
    try {
      this.base = await act();
      this.error = null;
      this.conflict = null;
      return this.base;
    } catch (error) {
      const known = error instanceof ApiError ? error : null;
      if (known?.code === 'version_conflict') {
        this.conflict = { current: (known.details.current as ManagedRule | null | undefined) ?? null };
      } else {
        this.error = known;
        say(known?.code === 'invalid_rule' ? 'It was not saved: see what is marked.' : messageOf(error), { isError: true });
      }
      return null;
    } finally {
      this.isBusy = false;
    }
  }
}
