/** The expressions that were run last, kept in this browser. */
const KEY = 'recent-expressions';
const MOST = 8;

export function readRecent(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === 'string').slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(exprs: string[]): string[] {
  const kept = [...new Set([...exprs, ...readRecent()])].slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage is full or refused: the list lives until the page is left.
  }
  return kept;
}
