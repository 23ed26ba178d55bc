/** Reading a routing tree: its matchers one by one, and what a node says that the one above it does not. */
import { parseMatcher } from '../alerts/matchers';
import type { RouteNode } from '../api/types';

/** `{a="1",b=~"2|3"}` as its matchers. */
export function splitMatchers(text: string): string[] {
  const inner = text.replace(/^\{/, '').replace(/\}$/, '');
  const found: string[] = [];
  let [start, isQuoted] = [0, false];
  for (let i = 0; i <= inner.length; i += 1) {
    const c = inner[i];
    if (c === '\\' && isQuoted) i += 1;
    else if (c === '"') isQuoted = !isQuoted;
    else if (i === inner.length || (c === ',' && !isQuoted)) {
      if (inner.slice(start, i).trim()) found.push(inner.slice(start, i).trim());
      start = i + 1;
    }
  }
  return found;
}

export interface Fact {
  icon: string;
  text: string;
  title: string;
}

/** What is particular to a node: all of it at the root, elsewhere what differs from the node above. */
export function factsOf(node: RouteNode, above: RouteNode | null): Fact[] {
  const facts: Fact[] = [];
  const differs = (key: 'group_wait' | 'group_interval' | 'repeat_interval'): boolean => !above || above[key] !== node[key];
  if (differs('group_wait')) {
    const wait = node.group_wait;
    facts.push({
      icon: 'clock',
      text: wait === null ? 'waits by severity' : wait === '0s' ? 'at once' : `waits ${wait}`,
      title: wait === null ? 'group_wait is not set: critical alerts go out at once, others wait a little for company' : `group_wait: a new group waits ${wait} for more alerts before it is told`,
    });
  }
  if (!above || above.group_by.join() !== node.group_by.join()) {
    const labels = node.group_by;
    facts.push({ icon: 'layers', text: !labels.length ? 'one group' : labels.includes('...') ? 'each alert alone' : `one message per ${labels.join(', ')}`, title: `group_by: ${labels.join(', ') || 'nothing, so that everything is in one message'}` });
  }
  if (differs('group_interval')) facts.push({ icon: 'refresh', text: `changes every ${node.group_interval}`, title: 'group_interval: how long a told group waits before changes are told' });
  if (differs('repeat_interval')) facts.push({ icon: 'bell', text: `again after ${node.repeat_interval}`, title: 'repeat_interval: how long until a group that still fires is told again' });
  if (node.mute_time_intervals.length) facts.push({ icon: 'bell-off', text: `not during ${node.mute_time_intervals.join(', ')}`, title: 'mute_time_intervals: nothing new is told then' });
  if (node.active_time_intervals.length) facts.push({ icon: 'calendar', text: `only during ${node.active_time_intervals.join(', ')}`, title: 'active_time_intervals: nothing new is told outside of them' });
  return facts;
}

/** The labels that a tree asks for by equality, to offer them: `team="infra"`. */
export function labelsAsked(node: RouteNode): string[] {
  const own = splitMatchers(node.matchers).flatMap((text) => {
    const matcher = parseMatcher(text);
    if (typeof matcher === 'string' || matcher.op === '!=' || matcher.op === '!~') return [];
    const values = matcher.op === '=' ? [matcher.value] : /^[\w|-]+$/.test(matcher.value) ? matcher.value.split('|') : [];
    return values.filter(Boolean).map((value) => `${matcher.name}="${value}"`);
  });
  return [...new Set([...own, ...node.routes.flatMap(labelsAsked)])];
}

/** "5m" or "1h30m" in seconds, to put steps in order. */
export function secondsIn(text: string): number {
  const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNITS[unit!]!, 0);
}
