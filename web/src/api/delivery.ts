/** The way of a message, receivers, and drills, as in docs/http-api.md. */
import type { Labels, Mute } from './alerts';
import type { Iso, Notification } from './types';

export interface DeliveryStep {
  at: Iso;
  step: 'queued' | 'attempt_failed' | 'accepted' | 'failed' | 'fell_back' | 'acknowledged' | 'superseded' | 'requeued' | (string & {});
  detail: string;
}

export interface NotificationDetail extends Notification {
  steps: DeliveryStep[];
  message: string;
  is_drill: boolean;
  escalation: string | null;
  group_labels: Labels;
  thread_id: string;
}

export interface IntegrationHealth {
  id: string;
  integration: string;
  index: number;
  destination: string;
  send_resolved: boolean;
  last_success_at: Iso | null;
  last_failure: { at: Iso; error: string } | null;
  waiting: number;
}

export interface Receiver {
  name: string;
  fallback: string | null;
  fallback_after_seconds: number;
  integrations: IntegrationHealth[];
}

export interface TestResult {
  id: string;
  integration: string;
  index: number;
  destination: string;
  accepted: boolean;
  detail: string;
  retryable: boolean;
  duration_seconds: number;
}

export interface DrillDelivery {
  id: string | number;
  receiver: string;
  integration: string;
  destination: string;
  status: string;
  attempts: number;
  delivered_after_seconds: number | null;
  words: string | null;
  error: string | null;
  in_place_of: string | number | null;
}

/** What was not reached is not in it. */
export interface DrillReport {
  rule?: { group: string; file: string; line: number | null; managed_id: string | null; expr: string; interval_seconds: number; for_seconds: number } | null;
  /** `direct` is an alert of the monitor's own, which no rule raises. */
  method?: 'series' | 'replaced' | 'direct';
  method_text?: string;
  series?: { labels: Labels; text: string }[];
  clock?: 'shadow' | 'real';
  evaluations?: number;
  fired_after_seconds?: number | null;
  alert?: { labels: Labels; annotations: Labels; value: number | null } | null;
  routes?: { receiver: string; group_labels: Labels; wait_seconds: number; escalated_after_seconds: number | null; spared: string[] }[];
  digests?: string[];
  would_be_muted?: Mute | null;
  deliveries?: DrillDelivery[];
  problems?: string[];
  acknowledged_by?: string | null;
  acknowledged_at?: Iso | null;
  acknowledged_after_seconds?: number | null;
}

export interface Drill {
  id: string;
  alert: string;
  started_at: Iso;
  started_by: string;
  finished_at: Iso | null;
  is_passed: boolean | null;
  report: DrillReport;
}

export interface DrillCoverage {
  /** Without group and file, the monitor itself raises it. */
  items: { alert: string; group: string | null; file: string | null; last: Drill | null }[];
  alerts: number;
  passed: number;
  failed: number;
  never: number;
}
