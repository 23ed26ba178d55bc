/** The records of a question: the newest keep themselves fresh, the older ones come when they are scrolled to. */
import { untrack } from 'svelte';
import { ApiError, get, withParams, type Params } from '../api/client';
import { Live } from '../lib/live.svelte';
import type { LogPage, LogRecord } from './types';

const FIRST = 200;
const MORE = 500;
/** What a browser holds without becoming slow. */
export const MOST_LOADED = 20_000;

/** Whether a record comes before another, newest first; numbers of any length. */
export const isNewer = (a: string, b: string): boolean => (a.length === b.length ? a > b : a.length > b.length);

/** Build it while a component is set up; it ends with the component. */
export class LogStream {
  records = $state.raw<LogRecord[]>([]);
  isThere = $state(false);
  /** Whether the records answer what is asked now, not what was asked before. */
  isCurrent = $state(false);
  isLoadingMore = $state(false);
  moreError = $state.raw<ApiError | null>(null);
  /** How many records wait above those that are shown. */
  waiting = $state(0);
  /** Until when was looked, where looking ended before the range did. */
  searchedUntil = $state<string | null>(null);
  missing = $state(0);
  cursor = $state<string | null>(null);

  readonly first: Live<LogPage>;
  #question: () => Params;
  #isHeld: () => boolean;
  #isNew = true;
  #pending: LogPage | null = null;
  #abort: AbortController | null = null;

  /**
   * @param question What is asked, as the API's parameters.
   * @param isHeld Whether somebody reads in the middle, where nothing may move.
   */
  constructor(question: () => Params, { isHeld, every }: { isHeld: () => boolean; every: () => number | null | undefined }) {
    this.#question = question;
    this.#isHeld = isHeld;
    this.first = new Live<LogPage>(() => withParams('/api/monitor/logs', { ...question(), limit: FIRST }), {
      get every() {
        return every();
      },
    });
    $effect.pre(() => {
      void JSON.stringify(question());
      untrack(() => this.#renew());
    });
    $effect(() => {
      const page = this.first.data;
      if (page) untrack(() => this.#take(page));
    });
    $effect(() => () => this.#abort?.abort());
  }

  get isFull(): boolean {
    return this.records.length >= MOST_LOADED;
  }

  get hasMore(): boolean {
    return this.cursor !== null && !this.isFull;
  }

  #renew(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#isNew = true;
    this.isCurrent = false;
    this.#pending = null;
    this.waiting = 0;
    this.isLoadingMore = false;
    this.moreError = null;
  }

  #take(page: LogPage): void {
    const newest = this.records[0];
    if (this.#isNew || !newest) return this.#show(page);
    const fresh = page.items.filter((record) => isNewer(record.seq, newest.seq)).length;
    if (fresh && this.#isHeld()) {
      this.#pending = page;
      this.waiting = fresh;
    } else this.#show(page);
  }

  #show(page: LogPage): void {
    const last = page.items.at(-1);
    const newest = this.records[0];
    // Where the page ends before what is loaded begins, something would be missing between the two.
    const reaches = last !== undefined && newest !== undefined && !isNewer(last.seq, newest.seq);
    const older = !this.#isNew && reaches && page.next_cursor !== null ? this.records.filter((record) => isNewer(last.seq, record.seq)) : [];
    this.records = [...page.items, ...older].slice(0, MOST_LOADED);
    if (!older.length) {
      this.#abort?.abort();
      this.isLoadingMore = false;
      this.#goOn(page);
    }
    this.#isNew = false;
    this.#pending = null;
    this.waiting = 0;
    this.isThere = this.isCurrent = true;
  }

  #goOn(page: LogPage): void {
    this.cursor = page.next_cursor;
    this.searchedUntil = page.is_complete ? null : page.searched_until;
    this.missing = page.missing;
  }

  /** Shows the records that wait. */
  release(): void {
    if (this.#pending) this.#show(this.#pending);
  }

  /** Puts records before those that are there. */
  prepend(records: LogRecord[]): void {
    const newest = this.records[0];
    const fresh = newest ? records.filter((record) => isNewer(record.seq, newest.seq)) : records;
    if (fresh.length) this.records = [...fresh, ...this.records].slice(0, MOST_LOADED);
  }

  async loadMore(): Promise<void> {
    if (!this.hasMore || this.isLoadingMore || this.#isNew) return;
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoadingMore = true;
    this.moreError = null;
    try {
      const page = await get<LogPage>(withParams('/api/monitor/logs', { ...this.#question(), limit: MORE, cursor: this.cursor }), abort.signal);
      if (abort.signal.aborted) return;
      const last = this.records.at(-1);
      const older = last ? page.items.filter((record) => isNewer(last.seq, record.seq)) : page.items;
      this.records = [...this.records, ...older];
      this.#goOn(page);
    } catch (error) {
      if (!abort.signal.aborted) this.moreError = error instanceof ApiError ? error : new ApiError(0, 'error', String(error), null);
    } finally {
      if (this.#abort === abort) this.isLoadingMore = false;
    }
  }
}
