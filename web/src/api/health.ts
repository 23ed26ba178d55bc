/** The JSON of docs/http-api.md about scheduled jobs, releases and feedback. */
import type { Iso, Page } from './types';

export type RunStatus = 'in_progress' | 'ok' | 'error' | 'missed' | 'timeout' | 'unknown';

export interface CronEnvironment {
  name: string;
  status: 'waiting' | 'ok' | 'failing';
  next_at: Iso | null;
  last_at: Iso | null;
  last_status: RunStatus | null;
  failures: number;
  failing_since: Iso | null;
  failing_kind: 'missed' | 'failed' | 'over_time' | null;
}

export interface Cron {
  project_id: number;
  project: string;
  slug: string;
  status: 'waiting' | 'ok' | 'failing' | 'paused';
  config: {
    schedule: string;
    crontab: string | null;
    timezone: string;
    margin_seconds: number;
    max_runtime_seconds: number;
    failure_threshold: number;
    recovery_threshold: number;
  } | null;
  problem: string | null;
  is_muted: boolean;
  is_paused: boolean;
  created_at: Iso;
  coming: Iso[];
  environments: CronEnvironment[];
}

export interface CronPage extends Page<Cron> {
  counts: Record<Cron['status'], number>;
  environments: string[];
}

export interface CronRun {
  id: string;
  environment: string;
  check_in_id: string | null;
  status: RunStatus;
  started_at: Iso;
  finished_at: Iso | null;
  duration_seconds: number | null;
  expected_at: Iso | null;
  is_late: boolean;
  was_over_time: boolean;
  release: string | null;
}

export interface ReleaseHealth {
  sessions: number;
  errored: number;
  abnormal: number;
  crashed: number;
  users: number;
  crash_free_sessions: number | null;
  crash_free_users: number | null;
}

export interface ReleaseItem {
  project_id: number;
  project: string;
  version: string;
  first_seen_at: Iso;
  new_issues: number;
  regressed_issues: number;
  health: ReleaseHealth;
  adoption: number | null;
}

export interface ReleasePage extends Page<ReleaseItem> {
  environments: string[];
}

export interface ReleaseDetail extends ReleaseItem {
  t: number[];
  series: { total: number[]; crashed: number[] };
  environments: { name: string; health: ReleaseHealth }[];
  deploys: { environment: string; name: string | null; url: string | null; started_at: Iso | null; finished_at: Iso }[];
}

export interface FeedbackItem {
  id: string;
  project_id: number;
  project: string;
  message: string;
  name: string | null;
  email: string | null;
  url: string | null;
  source: string | null;
  environment: string | null;
  release: string | null;
  event_id: string | null;
  issue_id: string | null;
  at: Iso;
}
