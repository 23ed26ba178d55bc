/** A question that is asked with a body and answered once: the newest wins, one that nobody waits for is dropped. */
import { ApiError, change } from '../api/client';

const SLOW_AFTER_MS = 150;

/** Build it while a component is set up; it ends with the component. */
export class Ask<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  isLoading = $state(false);
  /** True once it takes long enough to show it. */
  isSlow = $state(false);

  #path: string;
  #abort: AbortController | null = null;

  constructor(path: string) {
    this.#path = path;
    $effect(() => () => this.#abort?.abort());
  }

  async ask(body: unknown): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoading = true;
    const slow = setTimeout(() => (this.isSlow = true), SLOW_AFTER_MS);
    try {
      const data = await change<T>('POST', this.#path, body, abort.signal);
      if (abort.signal.aborted) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.data = null;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'error', String(error), null);
    } finally {
      clearTimeout(slow);
      if (this.#abort === abort) {
        this.isLoading = false;
        this.isSlow = false;
      }
    }
  }

  clear(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.data = this.error = null;
    this.isLoading = this.isSlow = false;
  }
}
