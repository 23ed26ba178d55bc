/** What people decide about issues and say of them. */
import type { Iso, IssueStatus } from './types';

export type ResolutionKind = 'now' | 'next_release' | 'release' | 'commit';
export type ArchiveKind = 'forever' | 'until' | 'events' | 'users' | 'escalating';
export type Priority = 'high' | 'medium' | 'low';

/** How an issue stands. */
export interface IssueStanding {
  substatus: 'new' | 'ongoing' | 'regressed' | 'escalating' | null;
  resolution: { kind: ResolutionKind; release: string | null; commit: string | null } | null;
  archive: { kind: ArchiveKind; until: Iso | null; events: number | null; users: number | null; window_seconds: number | null } | null;
  assignee: string | null;
  priority: Priority;
  revision: number;
}

/** A decision; what is left out stays. */
export interface IssueChange {
  status?: IssueStatus;
  resolution?: { kind: ResolutionKind; release?: string; commit?: string };
  archive?: { kind: ArchiveKind; until?: string; events?: number; users?: number; window_seconds?: number };
  assignee?: string;
  priority?: Priority | null;
}

export interface ActivityEntry {
  id: string;
  at: Iso;
  kind: string;
  actor: string | null;
  text: string;
  edited_at: Iso | null;
}
