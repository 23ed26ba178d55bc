/** The JSON of docs/http-api.md, name by name. */
import type { EventSourceMaps, FrameSourceMap } from './sourcemaps';
import type { IssueStanding } from './workflow';
import type { AlertBrief, AlertStatus } from './alerts';

export * from './alerts';
export * from './delivery';
export * from './metrics';
export * from './routing';
export * from './rules';

export type Iso = string;
export type Role = 'viewer' | 'editor' | 'admin';
/** Of a token: builds upload, and read nothing. */
export type TokenRole = Role | 'upload';

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total?: number;
  /** False where more are there than were counted. */
  is_total_exact?: boolean;
}

export interface Me {
  name: string;
  role: Role;
  version: string;
  user_id: string | number | null;
}

export interface User {
  id: string;
  email: string;
  name: string;
  role: Role;
  created_at: Iso;
  disabled_at: Iso | null;
}

export interface Token {
  id: string;
  name: string;
  role: TokenRole;
  created_at: Iso;
  last_used_at: Iso | null;
  created_by: string | null;
}

export interface NewToken extends Token {
  token: string;
}

export interface Nav {
  unresolved_issues: number;
  firing_alerts: number;
  firing_critical: number;
  /** What fires and is neither in hand nor held back. */
  open_alerts: number;
  open_critical: number;
  probes_down: number;
}

export type Severity = 'critical' | 'warning' | 'info' | 'ok';

export interface Change {
  at: Iso;
  kind:
    | 'alert_firing'
    | 'alert_resolved'
    | 'issue_new'
    | 'issue_regressed'
    | 'issue_resolved'
    | 'outage_opened'
    | 'outage_closed'
    | 'release_seen'
    | 'monitor_started';
  title: string;
  severity: Severity;
  path: string | null;
}

export interface Overview {
  status: 'ok' | 'degraded' | 'down';
  sentence: string;
  has_channel: boolean;
  generated_at: Iso;
  counts: {
    firing_alerts: number;
    firing_critical: number;
    firing_warning: number;
    pending: number;
    unresolved_issues: number;
    probes_down: number;
    targets_down: number;
    failed_deliveries: number;
  };
  firing: AlertBrief[];
  probes: Probe[];
  issues: Issue[];
  changes: Change[];
}

export type Unit = 'percent' | 'seconds' | 'per_hour' | 'bytes' | 'count' | 'ratio' | 'per_second';

export interface DashboardPanel {
  id: number;
  title: string;
  unit: Unit;
  kind: 'line' | 'stacked' | 'stat';
  grid: { x: number; y: number; w: number; h: number };
  description: string;
  queries: { expr: string; legend: string }[];
  threshold: number | null;
}

export interface Dashboard {
  slug: string;
  title: string;
  description: string;
  panels: DashboardPanel[];
}

export interface Series {
  name: string;
  labels: Record<string, string>;
  v: (number | null)[];
}

export interface PanelData {
  id: number;
  t: number[];
  series: Series[];
  error: string | null;
}

export interface Range {
  from_ms: number;
  to_ms: number;
  step_ms: number;
}

export interface DashboardData extends Range {
  panels: PanelData[];
}

export type IssueStatus = 'unresolved' | 'resolved' | 'ignored';
export type Level = 'fatal' | 'error' | 'warning' | 'info' | 'debug';

export interface Issue extends IssueStanding {
  id: string;
  short_id: string;
  /** Of performance: a finding, which has examples instead of events. */
  category: 'error' | 'performance';
  project: { id: number; slug: string };
  type: string;
  value: string;
  culprit: string;
  level: Level;
  status: IssueStatus;
  is_regressed: boolean;
  is_handled: boolean | null;
  event_count: number;
  user_count: number;
  first_seen_at: Iso;
  last_seen_at: Iso;
  first_release: string | null;
  last_release: string | null;
  sparkline: number[];
  resolved_at: Iso | null;
  is_synthetic: boolean;
  /** How many of its events are kept; all are counted. */
  stored_count: number;
}

export interface TagSummary {
  key: string;
  total: number;
  values: { value: string; count: number }[];
}

export interface IssueActivity {
  at: Iso;
  kind: string;
  actor: string | null;
  text: string | null;
}

export interface IssueDetail extends Issue {
  title: string;
  environments: string[];
  releases: { version: string; first_seen_at: Iso; event_count: number }[];
  tags: TagSummary[];
  activity: IssueActivity[];
  grouping: { version: number; explanation: string };
  counts: { t: number[]; v: number[] };
}

export type KeptFor = 'first' | 'release' | 'tag' | 'regression';

export interface EventSummary {
  event_id: string;
  occurred_at: Iso;
  message: string | null;
  release: string | null;
  environment: string | null;
  user: string | Record<string, unknown> | null;
  /** What it told that none before it had. */
  kept_for: KeptFor | null;
}

export interface Frame {
  function: string | null;
  module: string | null;
  filename: string | null;
  abs_path: string | null;
  line: number | null;
  column: number | null;
  in_app: boolean;
  context_line: string | null;
  pre_context: string[] | null;
  post_context: string[] | null;
  vars: Record<string, unknown> | null;
  source_map?: FrameSourceMap | null;
}

export interface ExceptionValue {
  type: string | null;
  value: string | null;
  module: string | null;
  handled: boolean | null;
  mechanism: string | Record<string, unknown> | null;
  frames: Frame[];
}

export interface Breadcrumb {
  at: Iso | null;
  category: string | null;
  type: string | null;
  level: string | null;
  message: string | null;
  data: Record<string, unknown> | null;
}

export interface ErrorEvent {
  event_id: string;
  previous_event_id: string | null;
  next_event_id: string | null;
  occurred_at: Iso;
  received_at: Iso;
  level: Level;
  platform: string | null;
  release: string | null;
  environment: string | null;
  server_name: string | null;
  transaction: string | null;
  sdk: { name: string | null; version: string | null } | null;
  message: string | null;
  exceptions: ExceptionValue[];
  breadcrumbs: Breadcrumb[];
  tags: { key: string; value: string }[];
  user: Record<string, unknown> | null;
  request: {
    method: string | null;
    url: string | null;
    query: unknown;
    headers: [string, string][];
    data: unknown;
  } | null;
  source_maps: EventSourceMaps | null;
  contexts: Record<string, unknown> | null;
  extra: Record<string, unknown> | null;
  trace_id: string | null;
  scrubbed: string[];
}

export interface Project {
  id: number;
  slug: string;
  name: string;
  platform: string;
  is_provisioned: boolean;
  dsn: string;
  event_count: number;
  last_event_at: Iso | null;
}

export interface Notification {
  id: string;
  receiver: string;
  integration: string;
  destination: string;
  status: 'queued' | 'sent' | 'failed' | 'retrying' | 'superseded';
  kind: 'firing' | 'resolved' | 'notice' | 'acknowledged';
  title: string;
  created_at: Iso;
  sent_at: Iso | null;
  attempts: number;
  last_error: string | null;
  /** What the provider said. */
  detail: string | null;
  fallback_of: string | null;
  fell_back_to: string[];
  /** The drill that it belongs to. */
  drill_id: string | null;
  next_attempt_at: Iso | null;
  alerts: { fingerprint: string; name: string; status: AlertStatus }[];
}

export type ProbeState = 'up' | 'degraded' | 'down' | 'unknown';

export interface Beat {
  at: Iso | null;
  state: 'up' | 'degraded' | 'down' | 'none';
  duration_seconds: number | null;
}

export interface Outage {
  id: string;
  probe_id: string;
  started_at: Iso;
  opened_at: Iso;
  ended_at: Iso | null;
  duration_seconds: number;
  cause: string;
  is_open: boolean;
}

export interface Probe {
  id: string;
  name: string;
  type: 'http' | 'postgres' | 'redis';
  target: string;
  status: ProbeState;
  since: Iso | null;
  last_result: {
    at: Iso;
    success: boolean;
    duration_seconds: number;
    message: string;
    status_code: number | null;
  } | null;
  interval_seconds: number;
  uptime: { '24h': number | null; '7d': number | null; '30d': number | null };
  beats: Beat[];
  outage: Outage | null;
}

export interface ProbeResults extends Range {
  t: number[];
  series: Series[];
  outages: Outage[];
}
