/** The queries of the metrics explorer as the URL holds them: `expr` repeated, with `legend` and `hide` beside it. */
import type { ChartAnswer } from '../api/types';
import type { Live } from '../lib/live.svelte';
import { here, setQuery } from '../lib/router.svelte';

export const MOST_QUERIES = 8;

export interface QuerySpec {
  expr: string;
  /** `{{label}}` is filled in; empty for the labels themselves. */
  legend: string;
  isHidden: boolean;
}

export interface InstantAnswer {
  data: { resultType: 'vector' | 'matrix' | 'scalar' | 'string'; result: unknown };
  warnings?: string[];
  infos?: string[];
}

/** What the row of one query shows and what the panel below draws of it. */
export class Slot {
  /** A over time, for the chart and the heat map; null while the row is not on the screen. */
  chart = $state.raw<Live<ChartAnswer> | null>(null);
  table = $state.raw<Live<InstantAnswer> | null>(null);
}

export const letterOf = (index: number): string => String.fromCharCode(65 + index);

/** The queries of the URL; at least one, which may be empty. */
export function readQueries(): QuerySpec[] {
  const legends = here.getAll('legend');
  const hidden = here.get('hide');
  const found = here
    .getAll('expr')
    .slice(0, MOST_QUERIES)
    .map((expr, i) => ({ expr, legend: legends[i] ?? '', isHidden: hidden.includes(letterOf(i)) }));
  return found.length ? found : [{ expr: '', legend: '', isHidden: false }];
}

export function writeQueries(queries: QuerySpec[], { replace = false } = {}): void {
  const legends = queries.map((one) => one.legend);
  setQuery(
    {
      expr: queries.length === 1 ? queries[0]!.expr : queries.map((one) => one.expr),
      legend: legends.some(Boolean) ? legends : null,
      hide: queries.map((one, i) => (one.isHidden ? letterOf(i) : '')).join(''),
    },
    { replace },
  );
}
