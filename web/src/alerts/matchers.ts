/** Label matchers as Alertmanager writes them: `team="a"`, `path=~"/api/.+"`. */
import type { AlertBrief, Labels } from '../api/types';

export interface Matcher {
  name: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}

const SHAPE = /^\s*("(?:[^"\\]|\\.)*"|[^\s=!~,{}"]+)\s*(=~|!~|!=|=)\s*(.*?)\s*,?\s*$/s;
const PLAIN_NAME = /^[A-Za-z_:][\w:]*$/;

/** Reads one matcher; the value needs no quotes. A text says what is wrong with it. */
export function parseMatcher(text: string): Matcher | string {
  const found = SHAPE.exec(text);
  if (!found) return 'A matcher is a label, one of = != =~ !~, and a value: team="backend"';
  const [, name, op, raw] = found as unknown as [string, string, Matcher['op'], string];
  const value = raw.startsWith('"') ? unquote(raw) : raw;
  if (value === null) return 'The closing quote is missing.';
  const matcher = { name: unquote(name) ?? name, op, value };
  return (op === '=~' || op === '!~' ? complaint(value) : null) ?? matcher;
}

export function renderMatcher({ name, op, value }: Matcher): string {
  return `${PLAIN_NAME.test(name) ? name : quote(name)}${op}${quote(value)}`;
}

export const equal = (name: string, value: string): string => renderMatcher({ name, op: '=', value });

/** The matchers that select all of `alerts` and as little else as their labels allow. */
export function matchersFor(alerts: AlertBrief[]): string[] {
  const [first, ...rest] = alerts.map((alert) => alert.labels);
  if (!first) return [];
  const shared = Object.entries(first).filter(([name, value]) => name !== 'severity' && rest.every((labels) => labels[name] === value));
  const differing = ['alertname', ...Object.keys(first)].filter((name, i, all) => all.indexOf(name) === i && !shared.some(([one]) => one === name));
  const narrowing = differing.filter((name) => name !== 'severity' && rest.every((labels) => name in labels) && name in first).map((name) => oneOf(name, [first, ...rest]));
  return [...shared.map(([name, value]) => equal(name, value)), ...narrowing];
}

function oneOf(name: string, all: Labels[]): string {
  const values = [...new Set(all.map((labels) => labels[name]!))].sort();
  return renderMatcher({ name, op: '=~', value: values.map(escapeRegex).join('|') });
}

const escapeRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function complaint(pattern: string): string | null {
  try {
    new RegExp(pattern, 'u');
    return null;
  } catch {
    // RE2 differs in details, and the server has the last word; what no dialect takes is said at once.
    try {
      new RegExp(pattern);
      return null;
    } catch {
      return 'This is no regular expression.';
    }
  }
}

const quote = (text: string): string => `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;

function unquote(text: string): string | null {
  if (!text.startsWith('"')) return null;
  if (!/^"(?:[^"\\]|\\.)*"$/s.test(text)) return null;
  return text.slice(1, -1).replace(/\\(.)/gs, (_, c: string) => (c === 'n' ? '\n' : c));
}
