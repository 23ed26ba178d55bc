/** Searches of issues: what is being written at the caret, and the JSON that belongs to them. */
import type { Issue, IssueStatus } from '../api/types';

export interface SuggestedKey {
  key: string;
  kind: 'field' | 'tag';
  help: string;
}

export interface Suggestions {
  keys: SuggestedKey[];
  values: { value: string; issues: number | null }[];
}

export interface SavedSearch {
  id: string;
  name: string;
  query: string;
  sort: string;
  is_shared: boolean;
  owner: string;
  is_own: boolean;
  created_at: string;
}

export interface TagDistribution {
  key: string;
  total: number;
  value_count: number;
  values: { value: string; count: number; share: number }[];
  other_count: number;
}

export interface SimilarIssue {
  issue: Issue;
  score: number;
  title_score: number;
  frame_score: number | null;
}

/** The piece of a query that ends at the caret. */
export interface Piece {
  /** Empty while the key itself is written. */
  key: string;
  /** What is there of the key or value. */
  prefix: string;
  /** Where `prefix` begins, with its quotation mark. */
  from: number;
  to: number;
}

const PLAIN = /^[\w@./+%#&-][\w@./+%#&:-]*$/u;

export function pieceAt(text: string, caret: number): Piece {
  let start = 0;
  let isQuoted = false;
  let lists = 0;
  for (let i = 0; i < caret; i++) {
    const c = text[i]!;
    if (c === '\\') i++;
    else if (c === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (c === '[') lists++;
    else if (c === ']') lists = Math.max(0, lists - 1);
    else if (!lists && (/\s/.test(c) || c === '(' || (c === '!' && start === i))) start = i + 1;
  }
  const piece = text.slice(start, caret);
  const found = /^(tags\[[^\]]*\]|[\w.-]+):((?:[<>]=?|=)?)/.exec(piece);
  if (!found) return { key: '', prefix: piece, from: start, to: caret };
  const value = piece.slice(found[0].length);
  // In a list, the last of its values.
  const inList = value.startsWith('[') ? Math.max(value.lastIndexOf(',') + 1, 1) : 0;
  const last = value.slice(inList);
  const from = start + found[0].length + inList + (last.length - last.trimStart().length);
  const key = found[1]!.startsWith('tags[') ? found[1]!.slice(5, -1) : found[1]!;
  return { key, prefix: text.slice(from, caret).replace(/^"/, ''), from, to: caret };
}

export function quote(value: string): string {
  return PLAIN.test(value) ? value : `"${value.replace(/([\\"*])/g, '\\$1')}"`;
}

/** A condition on a tag, as a query writes it. */
export function tagCondition(key: string, value: string): string {
  const known = /^[\w.-]+$/.test(key) && !FIELDS.has(key.toLowerCase());
  return `${known ? key : `tags[${key}]`}:${quote(value)}`;
}

/** Tags whose names mean something else in a search; those that mean the same are not here. */
const FIELDS = new Set([
  ...['is', 'has', 'assigned', 'project', 'issue', 'title', 'message', 'culprit', 'users', 'age', 'platform'],
  ...['timesseen', 'firstseen', 'lastseen', 'firstrelease', 'lastrelease', 'error.type', 'error.value', 'error.handled'],
  ...['error.unhandled', 'user.id', 'user.email', 'user.username', 'user.ip', 'location', 'timestamp'],
]);

export interface ListTab {
  label: string;
  query: string;
}

export const TABS: ListTab[] = [
  { label: 'Unresolved', query: 'is:unresolved' },
  { label: 'New', query: 'is:new' },
  { label: 'Regressed', query: 'is:regressed' },
  { label: 'Resolved', query: 'is:resolved' },
  { label: 'Archived', query: 'is:archived' },
  { label: 'All', query: '' },
];

export const DEFAULT_QUERY = TABS[0]!.query;

const STATE = /(^|\s)is:(unresolved|new|regressed|resolved|archived|ignored)(?=\s|$)/gi;

/** The rest of a query without the states that tabs set; a group or an OR is left as it is. */
export const withoutState = (query: string): string => query.replace(STATE, ' ').replace(/\s+/g, ' ').trim();

export function stateOf(query: string): string {
  const states = [...query.matchAll(STATE)].map((found) => found[2]!.toLowerCase());
  if (!states.length) return '';
  return `is:${states[0] === 'ignored' ? 'archived' : states[0]}`;
}

const CATEGORY = /(^|\s)issue\.category:(\S+)/gi;

/** What kind of issue a query asks for: "error", "performance", or any. */
export const categoryOf = (query: string): string => [...query.matchAll(CATEGORY)][0]?.[2]?.toLowerCase() ?? '';

export function withCategory(query: string, category: string): string {
  const rest = query.replace(CATEGORY, ' ').replace(/\s+/g, ' ').trim();
  return [rest, category && `issue.category:${category}`].filter(Boolean).join(' ');
}

/** Of issues that a query finds, the status that all of them have; null if it does not say. */
export function statusOf(query: string): IssueStatus | null {
  const state = stateOf(query).slice(3);
  if (state === 'resolved') return 'resolved';
  if (state === 'archived') return 'ignored';
  return state === 'unresolved' || state === 'new' ? 'unresolved' : null;
}

/** Whether a query is in the middle of being written. */
export function isUnfinished(text: string): boolean {
  const trimmed = text.trimEnd();
  const marks = trimmed.replace(/\\./g, '').split('"').length - 1;
  return /[:<>=[(!,]$|(^|\s)(AND|OR)$/.test(trimmed) || marks % 2 === 1;
}
