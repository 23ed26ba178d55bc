/** Which alerts of a list are chosen. They are kept whole: what is chosen may have left the page. */
import { SvelteMap } from 'svelte/reactivity';
import type { Alert } from '../api/types';

/** An alert that fired twice is two firings. */
const keyOf = (alert: Alert): string => `${alert.fingerprint} ${alert.starts_at}`;

export class Choosing {
  #chosen = new SvelteMap<string, Alert>();
  #last: string | null = null;

  get alerts(): Alert[] {
    return [...this.#chosen.values()];
  }

  has(alert: Alert): boolean {
    return this.#chosen.has(keyOf(alert));
  }

  countIn(alerts: Alert[]): number {
    return alerts.filter((alert) => this.#chosen.has(keyOf(alert))).length;
  }

  /** Chooses one, or with `isRange` all from the one before. */
  set(alert: Alert, isOn: boolean, { isRange = false, among = [] }: { isRange?: boolean; among?: Alert[] } = {}): void {
    const [from, to] = [among.findIndex((one) => keyOf(one) === this.#last), among.indexOf(alert)];
    const range = isRange && from >= 0 && to >= 0 ? among.slice(Math.min(from, to), Math.max(from, to) + 1) : [alert];
    this.setAll(range, isOn);
    this.#last = keyOf(alert);
  }

  setAll(alerts: Alert[], isOn: boolean): void {
    for (const alert of alerts) {
      if (isOn) this.#chosen.set(keyOf(alert), alert);
      else this.#chosen.delete(keyOf(alert));
    }
  }

  /** Takes what is known anew of the chosen ones. */
  renew(alerts: Alert[]): void {
    for (const alert of alerts) if (this.#chosen.has(keyOf(alert))) this.#chosen.set(keyOf(alert), alert);
  }

  clear(): void {
    this.#chosen.clear();
    this.#last = null;
  }
}
