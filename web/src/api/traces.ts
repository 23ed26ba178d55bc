/** What the API says about traces; see docs/http-api.md, Traces. */

export interface Segment {
  trace_id: string;
  span_id: string;
  project_id: number;
  service: string;
  environment: string;
  release: string;
  name: string;
  op: string;
  status: 'ok' | 'error';
  started_at: string;
  duration_seconds: number;
  user: string | null;
  span_count: number;
  error_count: number;
  has_root: boolean;
  is_trace_root: boolean;
}

export interface SegmentPage {
  items: Segment[];
  next_cursor: string | null;
  is_complete: boolean;
}

export interface DurationBucket {
  from_seconds: number;
  to_seconds: number;
  count: number;
  error_count: number;
}

export interface Durations {
  buckets: DurationBucket[];
  count: number;
  error_count: number;
  is_cut: boolean;
  p50_seconds: number | null;
  p75_seconds: number | null;
  p95_seconds: number | null;
  p99_seconds: number | null;
}

export interface Facets {
  services: string[];
  environments: string[];
  ops: string[];
}

export interface TraceNode {
  span_id: string;
  parent_span_id: string | null;
  depth: number;
  child_count: number;
  service: string;
  name: string;
  op: string;
  status: 'unset' | 'ok' | 'error';
  start_seconds: number;
  duration_seconds: number;
  self_seconds: number;
  is_segment: boolean;
  is_orphan: boolean;
  is_critical: boolean;
}

export interface TraceError {
  issue_id: string;
  event_id: string;
  project_id: number;
  span_id: string | null;
  at: string;
  offset_seconds: number;
  title: string;
  message: string;
  level: string;
}

export interface TraceLog {
  span_id: string | null;
  at: string;
  offset_seconds: number;
  severity: string;
  message: string;
  attributes: Record<string, unknown>;
}

export interface Trace {
  trace_id: string;
  started_at: string;
  duration_seconds: number;
  span_count: number;
  error_count: number;
  is_cut: boolean;
  missing_parents: string[];
  services: { service: string; project_id: number; span_count: number; error_count: number }[];
  spans: TraceNode[];
  errors: TraceError[];
  logs: TraceLog[];
}

export interface SpanDetail {
  trace_id: string;
  span_id: string;
  parent_span_id: string | null;
  project_id: number;
  service: string;
  environment: string;
  release: string;
  name: string;
  op: string;
  kind: string;
  status: 'unset' | 'ok' | 'error';
  status_text: string;
  started_at: string;
  duration_seconds: number;
  is_segment: boolean;
  segment_id: string | null;
  attributes: Record<string, unknown>;
  links: { trace_id: string; span_id: string }[];
  events: { name: string; at: string; offset_seconds: number; attributes: Record<string, unknown> }[];
}
