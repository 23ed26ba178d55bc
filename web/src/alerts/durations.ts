/** How long something is put off: presets, and a moment of one's own. */

export interface Preset {
  value: string;
  label: string;
}

export const MORNING = 'morning';
export const CUSTOM = 'custom';
const MORNING_HOUR = 9;

export const SNOOZES: Preset[] = [
  { value: '30m', label: '30 min' },
  { value: '1h', label: '1 h' },
  { value: '4h', label: '4 h' },
  { value: MORNING, label: 'Until 09:00' },
  { value: '3d', label: '3 days' },
  { value: CUSTOM, label: 'Until …' },
];

export const SILENCES: Preset[] = [
  { value: '30m', label: '30 min' },
  { value: '1h', label: '1 h' },
  { value: '2h', label: '2 h' },
  { value: '8h', label: '8 h' },
  { value: '1d', label: '1 day' },
  { value: '3d', label: '3 days' },
  { value: '7d', label: '1 week' },
  { value: CUSTOM, label: 'Until …' },
];

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** When a choice made at `now` ends, in milliseconds; null while a moment of one's own is missing. */
export function endOf(choice: string, custom: string, now: number): number | null {
  if (choice === CUSTOM) {
    const at = Date.parse(custom);
    return Number.isNaN(at) ? null : at;
  }
  if (choice === MORNING) {
    const at = new Date(now);
    at.setHours(MORNING_HOUR, 0, 0, 0);
    if (at.getTime() <= now) at.setDate(at.getDate() + 1);
    return at.getTime();
  }
  return now + Number.parseInt(choice, 10) * UNITS[choice.slice(-1)]!;
}

/** A moment as the value of an input of type datetime-local: in local time, without seconds. */
export function localInput(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
