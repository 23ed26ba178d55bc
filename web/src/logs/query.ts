/** Queries that are written by clicks: a clause for a field's value, added to what is there. */

const PLAIN = /^[\p{L}\p{N}_][\p{L}\p{N}_.@/#%=-]*$/u;
const OPERATORS = new Set(['AND', 'OR', 'NOT', 'TO']);

/** A value as the query's language reads it: quoted where a sign of it would mean something. */
export function quote(value: string): string {
  if (PLAIN.test(value) && !OPERATORS.has(value)) return value;
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** A field's name; a sign that ends it is escaped. */
const nameOf = (field: string): string => field.replaceAll(/[\\:\s()[\]{}"]/g, (sign) => `\\${sign}`);

export function clauseOf(field: string, value: string): string {
  // Of no level is what has none.
  if (field === 'severity') return value ? `level:${value}` : '-severity:*';
  return `${nameOf(field)}:${quote(value)}`;
}

export const hasField = (field: string): string => `${nameOf(field)}:*`;

const negated = (clause: string): string => (clause.startsWith('-') ? clause.slice(1) : `-${clause}`);

/** The query with a clause more; what it says already is not said again, what contradicts it goes. */
export function addClause(query: string, clause: string, { isOut = false } = {}): string {
  const wanted = isOut ? negated(clause) : clause;
  const text = withoutClause(query.trim(), negated(wanted));
  if (hasClause(text, wanted)) return text;
  if (!text) return wanted;
  return `${/\bOR\b|\|\|/.test(text) ? `(${text})` : text} ${wanted}`;
}

function hasClause(query: string, clause: string): boolean {
  return ` ${query} `.includes(` ${clause} `);
}

function withoutClause(query: string, clause: string): string {
  // Within parentheses or beside an OR, to leave it out would mean something else.
  if (!hasClause(query, clause) || /[()]|\bOR\b|\bAND\b|\bNOT\b|\|\||&&/.test(query)) return query;
  return ` ${query} `.replace(` ${clause} `, ' ').trim();
}
