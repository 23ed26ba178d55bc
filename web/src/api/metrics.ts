/** The JSON of docs/http-api.md about metrics: charts, targets, rules, why there is nothing, what series cost. */
import type { Iso, Range, Series, Severity } from './types';

export interface ChartAnswer extends Range {
  t: number[];
  series: Series[];
  warnings: string[];
  truncated_series: number;
}

export interface Target {
  /** The scrape configuration by its job_name. */
  pool: string;
  job: string;
  instance: string;
  url: string;
  health: 'up' | 'down' | 'unknown';
  last_scrape_at: Iso | null;
  last_error: string | null;
  exceeded_limit: string | null;
  scrape_duration_seconds: number | null;
  interval_seconds: number | null;
  timeout_seconds: number | null;
  samples_scraped: number | null;
  samples_after_relabelling: number | null;
  series_added: number | null;
  labels: Record<string, string>;
  discovered_labels: Record<string, string>;
}

export interface DroppedTarget {
  pool: string;
  discovered_labels: Record<string, string>;
}

export interface Pool {
  pool: string;
  up: number;
  down: number;
  unknown: number;
  dropped: number;
  target_limit: number | null;
  error: string | null;
  discoveries: { kind: 'static' | 'file' | 'http'; name: string; targets: number; last_refresh_at: Iso | null; last_error: string | null }[];
}

export interface Rule {
  name: string;
  type: 'alerting' | 'recording';
  expr: string;
  line: number | null;
  labels: Record<string, string>;
  for_seconds: number;
  keep_firing_for_seconds: number;
  state: 'inactive' | 'pending' | 'firing';
  health: 'ok' | 'err' | 'unknown';
  last_error: string | null;
  last_evaluation_at: Iso | null;
  evaluation_seconds: number | null;
  /** The series that its expression yielded when it could last be evaluated. */
  samples: number;
  severity: Severity | null;
  annotations: Record<string, string>;
  alerts: number;
  failing_since: Iso | null;
  data: 'unknown' | 'present' | 'vanished' | 'never';
  no_data_since: Iso | null;
  on_no_data: 'ignore' | 'alert' | 'keep' | null;
  /** Null for a rule of a file. */
  managed_id: string | null;
}

export interface RuleGroup {
  name: string;
  file: string;
  interval_seconds: number;
  query_offset_seconds: number;
  limit: number;
  last_evaluation_at: Iso | null;
  next_evaluation_at: Iso | null;
  evaluation_seconds: number | null;
  iterations_missed: number;
  error: string | null;
  rules: Rule[];
}

export interface Rules {
  groups: RuleGroup[];
  errors: {
    file: string;
    line: number | null;
    group: string | null;
    rule: string | null;
    message: string;
  }[];
}

export interface Finding {
  kind: string;
  text: string;
  selector: string | null;
  suggestions: { text: string; expr: string | null }[];
  /** The last sample before the range, or the first one after it. */
  sample_at: Iso | null;
}

export interface Explanation {
  from_ms: number;
  to_ms: number;
  findings: Finding[];
}

export interface Cardinality {
  series: number;
  metrics: number;
  labels: number;
  label_pairs: number;
  oldest_sample_at: Iso | null;
  newest_sample_at: Iso | null;
  by_metric: { metric: string; series: number; share: number; type: string | null; help: string | null }[];
  by_label: { label: string; values: number }[];
  by_label_bytes: { label: string; size_bytes: number }[];
  by_pair: { label: string; value: string; series: number; share: number }[];
}

export interface MetricCardinality {
  metric: string;
  series: number;
  type: string | null;
  help: string | null;
  labels: { label: string; series: number; values: number; size_bytes: number; top_values: { value: string; series: number }[] }[];
}
