/** Alerts, what people do about them, and silences, as in docs/http-api.md. */
import type { Iso, Notification, Page, Severity } from './types';

export type AlertStatus = 'firing' | 'pending' | 'resolved';
export type AlertState = 'pending' | 'firing' | 'acknowledged' | 'snoozed' | 'silenced' | 'suppressed' | 'resolved';
export type LiveState = Exclude<AlertState, 'resolved'>;
export type AlertSource = 'rule' | 'issue' | 'performance' | 'probe' | 'heartbeat' | 'log' | 'monitor' | (string & {});
export type Labels = Record<string, string>;

/** An alert where nobody asks how it stands. */
export interface AlertBrief {
  fingerprint: string;
  name: string;
  severity: Severity;
  status: AlertStatus;
  is_event: boolean;
  source: AlertSource;
  labels: Labels;
  annotations: Record<string, string>;
  starts_at: Iso;
  ends_at: Iso | null;
  value: number | null;
  path: string | null;
  receivers: string[];
  notified_at: Iso | null;
}

export interface Alert extends AlertBrief {
  state: AlertState;
  mute: Mute | null;
  handling: Handling | null;
}

export interface Mute {
  kind: 'silenced' | 'inhibited' | 'dependent' | 'time' | 'quiet_hours' | 'snoozed' | 'acknowledged' | 'flapping';
  by: string;
  text: string;
  until: Iso | null;
}

export type Outcome = 'real' | 'noise';

export interface Handling {
  acknowledged_at: Iso | null;
  acknowledged_by: string | null;
  snoozed_until: Iso | null;
  assignee: string | null;
  resolved_at: Iso | null;
  resolved_by: string | null;
  outcome: Outcome | null;
}

export type Counts = Record<LiveState, number>;

export interface AlertPage extends Page<Alert> {
  has_channel: boolean;
  /** Null where a page holds only what is over. */
  counts: Counts | null;
  is_cut: boolean;
}

export interface AlertGroup {
  value: string;
  count: number;
  severity: Severity;
  oldest_at: Iso;
  states: Partial<Counts>;
  names: string[];
}

export interface AlertGroups {
  by: string;
  items: AlertGroup[];
  total: number;
  is_cut: boolean;
}

export interface PastOccurrence {
  starts_at: Iso;
  ends_at: Iso | null;
  duration_seconds: number | null;
  value: number | null;
  acknowledged_at: Iso | null;
  acknowledged_by: string | null;
  acknowledged_after_seconds: number | null;
  handling: Handling | null;
}

export interface Figures {
  occurrences: number;
  acknowledged: number;
  mtta_seconds: number | null;
  median_tta_seconds: number | null;
  mttr_seconds: number | null;
  median_ttr_seconds: number | null;
  real: number;
  noise: number;
  unjudged: number;
  noise_ratio: number | null;
  missed: number;
}

export interface Threshold {
  operator: string;
  current: number;
  suggested: number | null;
  real: number;
  noise: number;
  real_kept: number;
  noise_avoided: number;
}

export interface TimelineStep {
  at: Iso;
  action: string;
  actor: string | null;
  via: string | null;
  text: string | null;
  notification_id: string | null;
  status: string | null;
}

export interface AlertDetail extends Alert {
  expr: string | null;
  threshold: Threshold | null;
  history: PastOccurrence[];
  figures: Figures;
  timeline: TimelineStep[];
  beside: AlertBrief[];
  notifications: Notification[];
}

export interface Missed {
  id: string;
  title: string;
  name: string | null;
  starts_at: Iso;
  ends_at: Iso;
  text: string | null;
  created_at: Iso;
  created_by: string;
}

export type ActionName = 'acknowledge' | 'unacknowledge' | 'assign' | 'snooze' | 'unsnooze' | 'comment' | 'resolve';

export interface Action {
  action: ActionName;
  text?: string;
  assignee?: string;
  until?: Iso;
  duration?: string;
}

export interface ActionResult {
  fingerprint: string;
  status: 'changed' | 'unchanged' | 'refused';
  code: string | null;
  message: string | null;
  handling: Handling | null;
}

export interface BulkResult {
  results: ActionResult[];
  changed: number;
  unchanged: number;
  refused: number;
}

export type SilenceState = 'active' | 'pending' | 'expired';

export interface Silence {
  id: string;
  state: SilenceState;
  matchers: { name: string; op: '=' | '!=' | '=~' | '!~'; value: string }[];
  text: string;
  starts_at: Iso;
  ends_at: Iso;
  created_by: string;
  comment: string;
  created_at: Iso;
  updated_at: Iso;
  /** Who ended it before its time. */
  ended_by: string | null;
  warned_at: Iso | null;
  /** How many fire and match; null once it has expired. */
  alerts: number | null;
}

export interface SilencePage extends Page<Silence> {
  counts: Record<SilenceState, number>;
}

export interface SilenceDetail extends Silence {
  held: AlertBrief[];
}

export interface SilencePreview {
  count: number;
  silenced: number;
  firing: number;
  alerts: AlertBrief[];
}
