/** Data that keeps itself fresh: polled with jitter while the page is visible, 304 when nothing changed. */
import { untrack } from 'svelte';
import { SvelteSet } from 'svelte/reactivity';
import { ApiError, fetchJson } from '../api/client';
import { range } from './time.svelte';

const JITTER = 0.15;
const SKELETON_AFTER_MS = 150;

interface Options {
  /** Milliseconds between polls; undefined follows the page's refresh interval, null polls never. */
  every?: number | null;
  /** Whether the top bar shows when this was read. */
  isQuiet?: boolean;
}

/** One polled address. Build it while a component is set up; it ends with the component. */
export class Live<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  updatedAt = $state<number | null>(null);
  /** How long the last answer took, there and back. */
  tookMs = $state<number | null>(null);
  isLoading = $state(false);
  /** False while there is nothing to ask. */
  isOpen = $state(false);
  /** True once loading has lasted long enough to show it. */
  isSlow = $state(false);

  #url: () => string | null;
  #options: Options;
  #etag: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;
  #current: string | null = null;

  constructor(url: () => string | null, options: Options = {}) {
    this.#url = url;
    this.#options = options;
    $effect(() => {
      const address = this.#url();
      untrack(() => this.#open(address));
      return () => this.#stop();
    });
    $effect(() => {
      void this.#interval();
      untrack(() => this.#schedule());
    });
    $effect(() => {
      const onVisible = () => {
        if (!document.hidden && this.#interval() !== null) void this.refresh();
      };
      document.addEventListener('visibilitychange', onVisible);
      if (!this.#options.isQuiet) onScreen.add(this);
      return () => {
        document.removeEventListener('visibilitychange', onVisible);
        onScreen.delete(this);
      };
    });
  }

  #interval(): number | null {
    return this.#options.every === undefined ? range.refreshMs : this.#options.every;
  }

  #open(address: string | null): void {
    if (this.#current && address && pathOf(this.#current) !== pathOf(address)) this.data = null;
    this.#current = address;
    this.isOpen = address !== null;
    this.#etag = null;
    this.error = null;
    if (address) void this.refresh();
    else this.data = null;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const every = this.#interval();
    if (every === null || !this.#current) return;
    const wait = every * (1 - JITTER + 2 * JITTER * Math.random());
    this.#timer = setTimeout(() => {
      if (document.hidden) return;
      void this.refresh();
    }, wait);
  }

  /** Reads at once, and again after the interval. */
  async refresh(): Promise<void> {
    const address = this.#current;
    if (!address) return;
    this.#stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoading = true;
    const started = performance.now();
    const slow = setTimeout(() => (this.isSlow = true), SKELETON_AFTER_MS);
    try {
      const answer = await fetchJson<T>(address, this.#etag, abort.signal);
      if (abort.signal.aborted) return;
      if (answer.data !== null) this.data = answer.data;
      this.#etag = answer.etag;
      this.error = null;
      this.updatedAt = Date.now();
      this.tookMs = performance.now() - started;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'error', String(error), null);
    } finally {
      clearTimeout(slow);
      if (this.#abort === abort) {
        this.isLoading = false;
        this.isSlow = false;
        this.#abort = null;
        if (!this.#isFinal()) this.#schedule();
      }
    }
  }

  /** Whether asking the same again is pointless: a broken expression, an object that does not exist. */
  #isFinal(): boolean {
    const status = this.error?.status ?? 0;
    return status >= 400 && status < 500 && status !== 408 && status !== 429;
  }

  /** Shows a change at once, before the next poll confirms it. */
  patch(update: (data: T) => T): void {
    if (this.data !== null) this.data = update(this.data);
    this.#etag = null;
  }
}

const pathOf = (address: string): string => address.split('?')[0]!;

/** The polls of the open page, for the top bar. */
const onScreen = new SvelteSet<Live<unknown>>();

export const pageState = {
  get updatedAt(): number | null {
    const times = [...onScreen].filter((live) => live.isOpen).map((live) => live.updatedAt).filter((at) => at !== null);
    return times.length ? Math.min(...times) : null;
  },
  get error(): ApiError | null {
    // A question that the server cannot make sense of says so itself; nothing is out of date.
    return [...onScreen].find(({ error }) => error && error.status !== 400 && error.status !== 422)?.error ?? null;
  },
  /** Whether the server could make no sense of whatever the page asks; it is not asked again. */
  get isRefused(): boolean {
    const open = [...onScreen].filter((live) => live.isOpen);
    return open.length > 0 && open.every((live) => live.error !== null && !live.isLoading);
  },
  get isLoading(): boolean {
    return [...onScreen].some((live) => live.isLoading);
  },
  get hasPolls(): boolean {
    return [...onScreen].some((live) => live.isOpen);
  },
  refresh(): void {
    for (const live of onScreen) void live.refresh();
  },
};
