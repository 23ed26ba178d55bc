/** Records as they are indexed, pushed by the server: paused while somebody reads, bounded, and what was missed is counted. */
import { untrack } from 'svelte';
import { withParams } from '../api/client';
import type { LogRecord } from './types';

const MOST = 2_000;
const FLUSH_MS = 150;

/** Build it while a component is set up; it ends with the component. */
export class LogTail {
  records = $state.raw<LogRecord[]>([]);
  waiting = $state(0);
  /** How many matched that are not shown: the reader was too slow for them. */
  skipped = $state(0);
  isConnected = $state(false);
  problem = $state('');
  isPaused = $state(false);

  #source: EventSource | null = null;
  #queue: LogRecord[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #number = 0;
  #isHeld: () => boolean;

  /**
   * @param question The query, or null while nobody watches.
   * @param isHeld Whether somebody reads in the middle, where nothing may move.
   */
  constructor(question: () => string | null, isHeld: () => boolean) {
    this.#isHeld = isHeld;
    $effect(() => {
      const query = question();
      untrack(() => this.#open(query));
      return () => this.#close();
    });
    $effect(() => {
      if (!this.isPaused && !isHeld()) untrack(() => this.#flush());
    });
  }

  #open(query: string | null): void {
    this.records = [];
    this.#queue = [];
    this.waiting = this.skipped = 0;
    this.isPaused = false;
    this.problem = '';
    if (query === null) return;
    const source = new EventSource(withParams('/api/monitor/logs/tail', { query }));
    this.#source = source;
    source.onopen = () => {
      this.isConnected = true;
      this.problem = '';
    };
    source.onerror = () => {
      this.isConnected = false;
      // The browser tries again by itself, unless the server refused.
      this.problem = source.readyState === EventSource.CLOSED ? 'The server refused: the query cannot be read, or too many watch at once.' : 'The connection was lost; it is being made again.';
    };
    source.addEventListener('record', (event) => this.#take(JSON.parse(event.data as string) as LogRecord));
    source.addEventListener('skipped', (event) => {
      const { skipped, unexamined } = JSON.parse(event.data as string) as { skipped: number; unexamined: number };
      this.skipped += skipped + unexamined;
    });
    source.addEventListener('end', (event) => {
      if ((JSON.parse(event.data as string) as { reason: string }).reason !== 'signed_out') return;
      this.#close();
      this.problem = 'You are signed out.';
    });
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source?.close();
    this.#source = null;
    this.isConnected = false;
  }

  #take(record: LogRecord): void {
    this.#number += 1;
    // It has no number of the store's yet, but a row needs one.
    this.#queue.push({ ...record, seq: `live-${this.#number}` });
    if (this.#queue.length > MOST) {
      this.#queue.shift();
      this.skipped += 1;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.isPaused || this.#isHeld()) this.waiting = this.#queue.length;
      else this.#flush();
    }, FLUSH_MS);
  }

  #flush(): void {
    if (this.#queue.length) this.records = [...this.#queue.reverse(), ...this.records].slice(0, MOST);
    this.#queue = [];
    this.waiting = 0;
  }

  toggle(): void {
    this.isPaused = !this.isPaused;
  }
}
