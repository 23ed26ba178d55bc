/** What the API says about logs; see docs/http-api.md, Logs. */

export interface LogRecord {
  /** A text: it is larger than a number can hold. */
  seq: string;
  timestamp: string;
  observed_at: string;
  severity: Severity;
  severity_number: number;
  severity_text: string;
  message: string;
  service: string;
  environment: string;
  release: string;
  host: string;
  logger: string;
  trace_id: string;
  span_id: string;
  source: string;
  attributes: Record<string, unknown>;
}

export type Severity = 'fatal' | 'error' | 'warning' | 'info' | 'debug' | 'trace' | '';

export interface LogPage {
  items: LogRecord[];
  next_cursor: string | null;
  is_complete: boolean;
  searched_until: string | null;
  missing: number;
}

export interface LogHistogram {
  step_seconds: number;
  buckets: { start: string; counts: Partial<Record<Severity, number>> }[];
  total: number;
}

export interface FieldValues {
  field: string;
  values: { value: string; count: number }[];
  others: number;
  having: number;
  statistics: { count: number; min: number | null; max: number | null; mean: number | null; sum: number | null };
}

export interface LogFields {
  sampled: number;
  fields: { name: string; records: number; is_attribute: boolean }[];
  others: number;
}

export interface LogContext {
  before: LogRecord[];
  after: LogRecord[];
}
