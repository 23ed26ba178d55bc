/** An event as Markdown, for a tracker of issues: no variables, no headers, nothing of the user. */
import type { ErrorEvent, ExceptionValue, Frame, IssueDetail } from '../api/types';
import { count } from '../lib/format';

const MOST_FRAMES = 30;
const LONGEST_VALUE = 2_000;

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
/** Text in which nothing is markup. */
const plain = (text: string): string => oneLine(text).replace(/([\\`*_[\]<>|#~])/g, '\\$1');

/** A block of code, with a fence that is in none of its lines. */
function block(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((found) => found[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function frameLine(frame: Frame): string {
  const where = frame.filename ?? frame.module ?? frame.abs_path ?? '?';
  const line = `${where}${frame.line === null ? '' : `:${frame.line}`} in ${frame.function ?? '?'}${frame.in_app ? '' : ' (library)'}`;
  return frame.in_app && frame.context_line ? `${line}\n    ${frame.context_line.trim()}` : line;
}

function trace(exception: ExceptionValue, index: number): string {
  const frames = exception.frames.slice(0, MOST_FRAMES).map(frameLine);
  const left = exception.frames.length - frames.length;
  const head = `${index ? 'Raised from ' : ''}${exception.type ?? 'Error'}: ${(exception.value ?? '').slice(0, LONGEST_VALUE)}`;
  return block([head, ...frames, ...(left > 0 ? [`… ${left} more`] : [])].join('\n'));
}

export function toMarkdown(issue: IssueDetail, event: ErrorEvent): string {
  const facts: [string, string | null][] = [
    ['Where', issue.culprit || event.transaction],
    ['Seen', `${count(issue.event_count)} times by ${count(issue.user_count)} users, first ${issue.first_seen_at}, last ${issue.last_seen_at}`],
    ['Release', event.release],
    ['Environment', event.environment],
    ['Request', event.request ? `${event.request.method ?? 'GET'} ${(event.request.url ?? '').split('?')[0]}` : null],
    ['Event', `${event.event_id}, ${event.occurred_at}`],
  ];
  const address = `${window.location.origin}/issues/${encodeURIComponent(issue.id)}?event=${event.event_id}`;
  return [
    `### ${plain([issue.type, issue.value].filter(Boolean).join(': ')).slice(0, 300)}`,
    `[${plain(issue.short_id)}](${address})`,
    facts.filter(([, value]) => value).map(([name, value]) => `- ${name}: ${plain(value!)}`).join('\n'),
    ...event.exceptions.map(trace),
    ...(!event.exceptions.length && event.message ? [block(event.message.slice(0, LONGEST_VALUE))] : []),
  ].join('\n\n');
}
