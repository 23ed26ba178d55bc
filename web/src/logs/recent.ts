/** The queries that were asked last, kept in this browser. */
const KEY = 'recent-log-queries';
const MOST = 12;

export function readRecent(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === 'string').slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(query: string): string[] {
  const kept = query ? [...new Set([query, ...readRecent()])].slice(0, MOST) : readRecent();
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage is full or refused: the list lives until the page is left.
  }
  return kept;
}
