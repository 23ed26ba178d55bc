/** Rules made here, and what a preview says of one, as in docs/http-api.md. */
import type { Labels } from './alerts';
import type { Iso, Series } from './types';

export type NoDataPolicy = 'ignore' | 'alert' | 'keep';

/** An item of a Prometheus rule file. */
export interface RuleItem {
  alert?: string;
  record?: string;
  expr: string;
  for?: string;
  keep_firing_for?: string;
  labels?: Labels;
  annotations?: Labels;
}

export interface GroupSettings {
  interval: string | null;
  query_offset: string | null;
  limit: number;
}

export interface ManagedRule {
  id: string;
  group: string;
  settings: GroupSettings;
  name: string;
  type: 'alerting' | 'recording';
  /** Null once it is deleted. */
  rule: RuleItem | null;
  yaml: string | null;
  on_no_data: NoDataPolicy | null;
  is_enabled: boolean;
  is_deleted: boolean;
  version: number;
  updated_at: Iso;
  updated_by: string;
  /** Where other rules have its name and labels; only when one rule is asked for. */
  twins?: string[];
}

export interface RuleDraft {
  group: string;
  rule: RuleItem;
  settings: GroupSettings | null;
  on_no_data: NoDataPolicy | null;
  is_enabled: boolean;
}

export interface RuleProblem {
  line: number | null;
  column: number | null;
  field: string;
  group: string | null;
  rule: string | null;
  message: string;
}

export interface PreviewInterval {
  active_at: Iso;
  /** Null if it was only pending. */
  fired_at: Iso | null;
  /** Null if it is not over. */
  ended_at: Iso | null;
}

export interface PreviewedAlert {
  labels: Labels;
  firings: number;
  firing_seconds: number;
  is_firing: boolean;
  intervals: PreviewInterval[];
  truncated_intervals: number;
}

export type Quantile = 'min' | 'p50' | 'p95' | 'p99' | 'max';

export interface PreviewWarning {
  kind: string;
  text: string;
  field: string;
  suggestions: { text: string; expr: string | null }[];
}

interface PreviewSpan {
  from_ms: number;
  to_ms: number;
  step_ms: number;
  interval_ms: number;
  is_coarser: boolean;
  is_cut: boolean;
}

interface PreviewChart {
  expr: string;
  operator: string | null;
  threshold: number | null;
  t: number[];
  series: Series[];
  truncated_series: number;
  quantiles: Partial<Record<Quantile, number>>;
}

export interface RecordingPreview extends PreviewSpan {
  type: 'recording';
  /** Different ones. */
  series: number;
  most_at_once: number;
  chart: PreviewChart;
  warnings: PreviewWarning[];
}

export interface Preview extends PreviewSpan {
  type: 'alerting';
  totals: {
    alerts: number;
    alerts_pending_only: number;
    alerts_not_followed: number;
    firings: number;
    firings_per_day: number | null;
    firing_seconds: number;
    longest_seconds: number;
    firing_now: number;
  };
  alerts: PreviewedAlert[];
  truncated_alerts: number;
  chart: PreviewChart;
  warnings: PreviewWarning[];
  example: { at: Iso; labels: Labels; annotations: Labels } | null;
}

export interface ImportedRules {
  added: number;
  changed: number;
  removed: number;
  groups: string[];
}
