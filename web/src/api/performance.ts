/** The JSON of docs/http-api.md about performance. */
import type { Iso, IssueStatus } from './types';

export interface Window {
  from_ms: number;
  to_ms: number;
  step_seconds: number;
}

export interface Quantiles {
  p50_seconds: number | null;
  p75_seconds: number | null;
  p95_seconds: number | null;
  p99_seconds: number | null;
}

export interface Before {
  count: number;
  failure_rate: number | null;
  p95_seconds: number | null;
}

export interface Endpoint extends Quantiles {
  project_id: number;
  project: string;
  name: string;
  op: string;
  is_other: boolean;
  count: number;
  is_extrapolated: boolean;
  per_minute: number;
  failure_rate: number | null;
  apdex: number | null;
  apdex_threshold_seconds: number;
  mean_seconds: number | null;
  total_seconds: number;
  change: number | null;
  before: Before;
  spark: number[];
}

export interface Totals extends Quantiles {
  count: number;
  is_extrapolated: boolean;
  per_minute: number;
  failure_rate: number | null;
  apdex: number | null;
  before: Before;
}

export interface PagedWindow<T> extends Window {
  items: T[];
  next_cursor: string | null;
  total: number;
}

export interface Endpoints extends PagedWindow<Endpoint> {
  truncated: boolean;
  totals: Totals;
}

export interface Columns {
  t: number[];
  series: Record<'per_minute' | 'failure_rate' | 'p50' | 'p75' | 'p95' | 'p99', (number | null)[]>;
}

export interface Example {
  trace_id: string;
  span_id: string;
  name: string;
  duration_seconds: number;
  at: Iso;
  status: 'ok' | 'error';
}

export interface Finding {
  id: string;
  kind: 'n_plus_one' | 'slow_query' | 'consecutive_http';
  summary: string;
  title: string;
  project_id: number;
  project: string;
  endpoint: string;
  op: string;
  environment: string;
  count: number;
  most_repeats: number;
  longest_seconds: number;
  total_seconds: number;
  first_seen_at: Iso;
  last_seen_at: Iso;
  examples: Example[];
  /** By which people decide about it; null until it is seen again after an upgrade. */
  issue: { id: string; short_id: string; status: IssueStatus; is_regressed: boolean } | null;
}

export type VitalName = 'lcp' | 'inp' | 'cls' | 'fcp' | 'ttfb';

export interface Vital {
  p75: number;
  rating: 'good' | 'needs improvement' | 'poor';
  count: number;
  good: number;
  needs_improvement: number;
  poor: number;
  thresholds: [number, number];
}

export type Vitals = Partial<Record<VitalName, Vital>>;

export interface VitalRoute {
  project_id: number;
  project: string;
  name: string;
  vitals: Vitals;
}

export interface VitalPage extends PagedWindow<VitalRoute> {
  totals: Vitals;
}

export interface DurationBar {
  from_seconds: number;
  to_seconds: number;
  count: number;
}

export interface Part {
  part: string;
  spans: number;
  total_seconds: number;
  share: number | null;
}

export interface EndpointDetail extends Window, Columns {
  endpoint: Endpoint | null;
  durations: DurationBar[];
  parts: Part[];
  examples: Example[];
  findings: Finding[];
  vitals: Vitals;
}

export interface Statement extends Quantiles {
  id: string;
  project_id: number;
  project: string;
  text: string;
  operation: string;
  system: string;
  tables: string[];
  count: number;
  per_minute: number;
  failure_rate: number | null;
  mean_seconds: number | null;
  total_seconds: number;
  share: number | null;
  endpoints: number;
}

export interface Caller extends Quantiles {
  project_id: number;
  name: string;
  op: string;
  count: number;
  share: number | null;
  total_seconds: number;
}

export interface StatementDetail extends Window, Columns {
  statement: Statement;
  callers: Caller[];
  examples: Example[];
}

export interface PerformanceFacets {
  environments: string[];
  ops: string[];
}
