/** The fields of a record, in the order in which people ask for them. */
import type { LogRecord } from './types';

export const OWN_FIELDS = ['severity', 'service', 'environment', 'release', 'host', 'logger', 'source'] as const;
export const ID_FIELDS = ['trace_id', 'span_id'] as const;

const REQUEST_NAMES = ['request_id', 'http.request.id', 'request.id', 'requestId', 'x_request_id', 'req.id'];
const USER_NAMES = ['user.id', 'user_id', 'enduser.id', 'userId', 'user.email', 'user.name', 'user'];

export const STACK_TRACE = 'error.stack_trace';

/** A field's value as text, as a query compares it; empty where the record has none. */
export function valueOf(record: LogRecord, field: string): string {
  const own = (record as unknown as Record<string, unknown>)[field];
  return asText(field in record && field !== 'attributes' ? own : record.attributes[field]);
}

export function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export interface FieldRow {
  name: string;
  value: unknown;
  /** Whether a query can ask for it. */
  isAsked: boolean;
}

/** Everything that a record says, as rows of a table; its message and stack trace stand apart. */
export function rowsOf(record: LogRecord): FieldRow[] {
  const own = [...OWN_FIELDS, ...ID_FIELDS].map((name) => ({ name: name as string, value: record[name] as unknown, isAsked: true })).filter((row) => row.value !== '');
  const attributes = Object.keys(record.attributes)
    .filter((name) => name !== STACK_TRACE)
    .sort()
    .map((name) => ({ name, value: record.attributes[name], isAsked: !Array.isArray(record.attributes[name]) && record.attributes[name] !== null }));
  const times = [
    { name: 'timestamp', value: record.timestamp as unknown, isAsked: false },
    { name: 'observed_at', value: record.observed_at as unknown, isAsked: false },
  ];
  return [...times, ...own, ...attributes];
}

const firstOf = (record: LogRecord, names: string[]): { field: string; value: string } | null => {
  for (const field of names) {
    const value = record.attributes[field];
    if (typeof value === 'string' || typeof value === 'number') return { field, value: String(value) };
  }
  return null;
};

export const requestOf = (record: LogRecord): { field: string; value: string } | null => firstOf(record, REQUEST_NAMES);
export const userOf = (record: LogRecord): { field: string; value: string } | null => firstOf(record, USER_NAMES);
