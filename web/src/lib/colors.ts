/** Colours of series: the same name keeps its colour wherever it is drawn. */

export const SERIES_TOKENS = ['--s1', '--s2', '--s3', '--s4', '--s5', '--s6'];
const RED = 3;

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

const isError = (name: string): boolean => /\b5\d\d\b|\b5xx\b|error|fail|crashed|critical/i.test(name);

/**
 * Gives each name an index into the series colours; names that would share one move on while there are free ones.
 * Red is for errors; another name gets it only when all others are taken.
 */
export function assignColors(names: string[]): number[] {
  const total = SERIES_TOKENS.length;
  if (names.length === 1) return [isError(names[0]!) ? RED : 0];
  const taken = new Map<string, number>();
  const used = new Set<number>();
  const order = [...new Set(names)].sort((a, b) => Number(isError(b)) - Number(isError(a)) || (a < b ? -1 : 1));
  for (const name of order) {
    let slot = isError(name) && !used.has(RED) ? RED : hash(name) % total;
    const isTaken = (at: number): boolean => used.has(at) || (at === RED && !isError(name) && used.size < total - 1);
    for (let i = 0; isTaken(slot) && i < total; i += 1) slot = (slot + 1) % total;
    used.add(slot);
    if (used.size === total) used.clear();
    taken.set(name, slot);
  }
  return names.map((name) => taken.get(name)!);
}
