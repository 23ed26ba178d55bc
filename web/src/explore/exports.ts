/** Answers as files. */
import type { Merged } from './merge';

const FORMULA = /^[=+\-@\t\r]/;

/** A field of a CSV file; what a spreadsheet would take for a formula is made text. */
function field(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvOf = (rows: (string | number | null)[][]): string => rows.map((row) => row.map(field).join(',')).join('\r\n') + '\r\n';

export const chartRows = ({ t, series }: Merged): (string | number | null)[][] => [
  ['time', ...series.map((one) => one.full)],
  ...t.map((at, i) => [new Date(at).toISOString(), ...series.map((one) => one.v[i] ?? null)]),
];

export function download(name: string, type: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
