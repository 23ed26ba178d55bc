/** Changes to silences. */
import { change } from '../api/client';
import type { Silence } from '../api/types';
import { renderMatcher } from '../alerts/matchers';

export interface Draft {
  matchers: string[];
  comment: string;
  starts_at: string;
  ends_at: string;
}

const ADDRESS = '/api/monitor/silences';
const addressOf = (id: string): string => `${ADDRESS}/${encodeURIComponent(id)}`;

export const matchersOf = (silence: Silence): string[] => silence.matchers.map(renderMatcher);

/** Makes a silence, or gives one another form; the answer may have another id. */
export function save(draft: Draft, id: string | null): Promise<Silence> {
  return id ? change<Silence>('PUT', addressOf(id), draft) : change<Silence>('POST', ADDRESS, draft);
}

export function extend(silence: Silence, byMs: number): Promise<Silence> {
  const ends_at = new Date(Date.parse(silence.ends_at) + byMs).toISOString();
  return save({ matchers: matchersOf(silence), comment: silence.comment, starts_at: silence.starts_at, ends_at }, silence.id);
}

export const expire = (id: string): Promise<null> => change<null>('DELETE', addressOf(id));

const SOON_MS = 15 * 60_000;

/** Whether what it holds back will be told before long. */
export const endsSoon = (silence: Silence, now: number): boolean => silence.state === 'active' && Date.parse(silence.ends_at) - now < SOON_MS;
