/** What a button does: once at a time; what goes wrong is said. */
import { messageOf, say } from './app.svelte';

export class Doing {
  isBusy = $state(false);

  async run(work: () => Promise<unknown>): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      await work();
    } catch (error) {
      say(messageOf(error), { isError: true });
    } finally {
      this.isBusy = false;
    }
  }
}
