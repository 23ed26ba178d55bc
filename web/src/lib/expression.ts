/** Just enough of PromQL's surface to draw an alert's value beside its threshold. */

const OPENING = '([{';
const CLOSING = ')]}';
const WORD = /[A-Za-z_]/;

/** Where the alert fires: over the threshold, under it, or exactly at it. */
export type Side = 'above' | 'below' | 'at';

export interface Drawn {
  expr: string;
  threshold: number | null;
  side: Side;
}

/** Splits `value > 0.05` into the value and the number; any other shape is drawn as it is. */
export function withoutComparison(expr: string): Drawn {
  const asIs: Drawn = { expr, threshold: null, side: 'above' };
  const at = topLevelComparison(expr);
  if (!at) return asIs;
  const left = expr.slice(0, at.start).trim();
  const right = expr.slice(at.end).trim();
  const threshold = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(right) ? Number(right) : null;
  const side: Side = expr[at.start] === '>' ? 'above' : expr[at.start] === '<' ? 'below' : 'at';
  return left && threshold !== null ? { expr: left, threshold, side } : asIs;
}

/** The expression with another number at the right of its comparison; null where there is none to change. */
export function withThreshold(expr: string, value: number): string | null {
  const at = topLevelComparison(expr);
  return at && withoutComparison(expr).threshold !== null ? `${expr.slice(0, at.end)} ${value}` : null;
}

/** The only comparison outside brackets and strings; null if there is none, several, or a set operator. */
function topLevelComparison(expr: string): { start: number; end: number } | null {
  let depth = 0;
  let found: { start: number; end: number } | null = null;
  for (let i = 0; i < expr.length; i += 1) {
    const c = expr[i]!;
    if (c === '"' || c === "'" || c === '`') {
      i = endOfString(expr, i);
    } else if (c === '#') {
      while (i < expr.length && expr[i] !== '\n') i += 1;
    } else if (OPENING.includes(c)) {
      depth += 1;
    } else if (CLOSING.includes(c)) {
      depth -= 1;
    } else if (depth === 0 && WORD.test(c)) {
      const word = /^[A-Za-z_:][\w:]*/.exec(expr.slice(i))![0];
      if (/^(and|or|unless|bool)$/i.test(word)) return null;
      i += word.length - 1;
    } else if (depth === 0 && (c === '>' || c === '<' || ((c === '=' || c === '!') && expr[i + 1] === '='))) {
      if (found) return null;
      const length = expr[i + 1] === '=' ? 2 : 1;
      found = { start: i, end: i + length };
      i += length - 1;
    }
  }
  return found;
}

function endOfString(expr: string, start: number): number {
  const quote = expr[start]!;
  let i = start + 1;
  while (i < expr.length && expr[i] !== quote) i += expr[i] === '\\' && quote !== '`' ? 2 : 1;
  return i;
}
