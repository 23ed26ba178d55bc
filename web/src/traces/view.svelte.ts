/** One trace as it is looked at: which rows are open, what is selected, which stretch of time is shown. */
import type { Trace, TraceError, TraceNode } from '../api/traces';
import { assignColors, SERIES_TOKENS } from '../lib/colors';
import { here, setQuery } from '../lib/router.svelte';

const CLOSED_IN_URL_MAX = 60;
const SHORTEST_WINDOW = 1e-6;

export interface Row {
  node: TraceNode;
  /** Its place among all spans, open or not. */
  index: number;
}

/** A stretch of the trace, in seconds after its start. */
export interface Window {
  from: number;
  to: number;
}

/** The state is in the URL: span, closed, zoom, q, view. */
export class TraceView {
  #trace: () => Trace;

  trace = $derived.by(() => this.#trace());
  nodes = $derived(this.trace.spans);
  total = $derived(Math.max(SHORTEST_WINDOW, ...this.nodes.map((node) => node.start_seconds + node.duration_seconds)));
  selected = $derived(here.get('span'));
  closed = $derived(new Set(here.get('closed').split(',').filter(Boolean)));
  query = $derived(here.get('q').trim().toLowerCase());
  isFlame = $derived(here.get('view') === 'flame');
  onlyCritical = $derived(here.get('path') === 'critical');
  window = $derived<Window>(readWindow(here.get('zoom'), this.total));
  indexOf = $derived(new Map(this.nodes.map((node, index) => [node.span_id, index])));
  rows = $derived(openRows(this.nodes, this.closed));
  selectedNode = $derived(this.nodes[this.indexOf.get(this.selected) ?? -1] ?? null);
  matches = $derived(this.query ? this.nodes.flatMap((node, index) => (matchesText(node, this.query) ? [index] : [])) : []);
  matched = $derived(new Set(this.matches));
  errorsOf = $derived.by(() => {
    const found = new Map<string, TraceError[]>();
    for (const error of this.trace.errors) {
      const key = error.span_id ?? '';
      found.set(key, [...(found.get(key) ?? []), error]);
    }
    return found;
  });
  /** Errors that say no span, or one that is not here. */
  looseErrors = $derived(this.trace.errors.filter((error) => !error.span_id || !this.indexOf.has(error.span_id)));
  colors = $derived.by(() => {
    const names = this.trace.services.map((one) => one.service);
    const slots = assignColors(names.length === 1 ? [...names, ''] : names);
    return new Map(names.map((name, i) => [name, SERIES_TOKENS[slots[i]!]!]));
  });

  constructor(trace: () => Trace) {
    this.#trace = trace;
  }

  colorOf = (node: TraceNode): string => this.colors.get(node.service) ?? SERIES_TOKENS[0]!;

  isFailed = (node: TraceNode): boolean => node.status === 'error' || this.errorsOf.has(node.span_id);

  /** Whether a span is to stand back: it is not what is looked for, or nobody waited for it. */
  isDim = (row: Row): boolean => (this.onlyCritical && !row.node.is_critical) || (!!this.query && !this.matched.has(row.index));

  select(id: string | null): void {
    if (!id) return setQuery({ span: null }, { replace: true });
    const opened = this.#withOpenAncestors(id);
    setQuery({ span: id, ...(opened ? { closed: joinClosed(opened) } : {}) }, { replace: true });
  }

  toggle(node: TraceNode, isOpen = this.closed.has(node.span_id)): void {
    if (!node.child_count) return;
    const closed = new Set(this.closed);
    if (isOpen) closed.delete(node.span_id);
    else closed.add(node.span_id);
    setQuery({ closed: joinClosed(closed) }, { replace: true });
  }

  closeAll(): void {
    const tops = this.nodes.filter((node) => node.child_count && node.depth >= 1 && node.is_segment);
    const chosen = tops.length ? tops : this.nodes.filter((node) => node.child_count && node.depth === 1);
    setQuery({ closed: joinClosed(new Set(chosen.map((node) => node.span_id))) }, { replace: true });
  }

  openAll(): void {
    setQuery({ closed: null }, { replace: true });
  }

  zoom(window: Window | null): void {
    const isWhole = !window || (window.from <= 0 && window.to >= this.total);
    setQuery({ zoom: isWhole ? null : `${round(window.from)}-${round(window.to)}` }, { replace: true });
  }

  zoomToSelected(): void {
    const node = this.selectedNode;
    if (!node) return;
    const margin = node.duration_seconds * 0.05;
    this.zoom({ from: Math.max(0, node.start_seconds - margin), to: Math.min(this.total, node.start_seconds + node.duration_seconds + margin) });
  }

  /** Goes to the next open row, or back. */
  step(by: number): void {
    const at = this.rows.findIndex((row) => row.node.span_id === this.selected);
    const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, at < 0 ? 0 : at + by))];
    if (next) this.select(next.node.span_id);
  }

  /** Goes to the next match of the search, or to the next failed span; round and round. */
  stepAmong(indexes: number[], by: number): void {
    if (!indexes.length) return;
    const now = this.indexOf.get(this.selected) ?? -1;
    const later = by > 0 ? indexes.find((index) => index > now) : indexes.findLast((index) => index < now);
    const next = later ?? (by > 0 ? indexes[0]! : indexes.at(-1)!);
    this.select(this.nodes[next]!.span_id);
  }

  goToParent(): void {
    const node = this.selectedNode;
    if (!node) return;
    if (node.child_count && !this.closed.has(node.span_id)) this.toggle(node, false);
    else if (node.parent_span_id && this.indexOf.has(node.parent_span_id)) this.select(node.parent_span_id);
  }

  goInside(): void {
    const node = this.selectedNode;
    if (!node?.child_count) return;
    if (this.closed.has(node.span_id)) this.toggle(node, true);
    else this.step(1);
  }

  #withOpenAncestors(id: string): Set<string> | null {
    const closed = new Set(this.closed);
    const seen = new Set<string>();
    let node = this.nodes[this.indexOf.get(id) ?? -1];
    while (node?.parent_span_id && !seen.has(node.span_id)) {
      seen.add(node.span_id);
      closed.delete(node.parent_span_id);
      node = this.nodes[this.indexOf.get(node.parent_span_id) ?? -1];
    }
    return closed.size === this.closed.size ? null : closed;
  }
}

const round = (value: number): string => String(Number(value.toPrecision(7)));

const joinClosed = (closed: Set<string>): string | null => [...closed].slice(0, CLOSED_IN_URL_MAX).join(',') || null;

function readWindow(text: string, total: number): Window {
  const match = /^(\d+(?:\.\d+)?(?:e-?\d+)?)-(\d+(?:\.\d+)?(?:e-?\d+)?)$/.exec(text);
  const [from, to] = match ? [Number(match[1]), Number(match[2])] : [0, total];
  return to - from >= SHORTEST_WINDOW && from < total ? { from, to: Math.min(to, total) } : { from: 0, to: total };
}

function openRows(nodes: TraceNode[], closed: Set<string>): Row[] {
  const rows: Row[] = [];
  let hiddenBelow = Infinity;
  nodes.forEach((node, index) => {
    if (node.depth > hiddenBelow) return;
    hiddenBelow = closed.has(node.span_id) ? node.depth : Infinity;
    rows.push({ node, index });
  });
  return rows;
}

function matchesText(node: TraceNode, text: string): boolean {
  return [node.name, node.op, node.service, node.span_id].some((part) => part.toLowerCase().includes(text));
}

/** Round moments to label a time axis with. */
export function ticksOf({ from, to }: Window, count: number): number[] {
  const rough = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick < to && ticks.length < 20; tick += step) ticks.push(tick);
  return ticks;
}

/** Sums of fractions miss the moment at which the next span begins by less than this. */
const SAME_MOMENT = 1e-6;

/** The flame's lanes: each span below its parent, none over another. */
export function lanesOf(nodes: TraceNode[]): number[] {
  const lanes = new Array<number>(nodes.length).fill(0);
  const laneOf = new Map<string, number>();
  const ends: number[] = [];
  const order = nodes.map((_, index) => index).sort((a, b) => nodes[a]!.start_seconds - nodes[b]!.start_seconds || nodes[a]!.depth - nodes[b]!.depth);
  for (const index of order) {
    const node = nodes[index]!;
    let lane = node.parent_span_id !== null ? (laneOf.get(node.parent_span_id) ?? node.depth - 1) + 1 : 0;
    while (lane < ends.length && ends[lane]! > node.start_seconds + SAME_MOMENT) lane += 1;
    while (ends.length <= lane) ends.push(-Infinity);
    ends[lane] = node.start_seconds + node.duration_seconds;
    lanes[index] = lane;
    laneOf.set(node.span_id, lane);
  }
  return lanes;
}
