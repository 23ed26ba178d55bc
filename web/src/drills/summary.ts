/** A drill's report in a few words. */
import type { Drill } from '../api/types';
import { duration, plural, span } from '../lib/format';

export const firedAfter = ({ report }: Drill): string => (report.fired_after_seconds === null || report.fired_after_seconds === undefined ? 'did not fire' : report.fired_after_seconds ? span(report.fired_after_seconds) : 'at once');

/** "2 of 3 in 41 ms": how many channels accepted it, and how long the slowest took. */
export function deliveredIn({ report }: Drill): string {
  const all = report.deliveries ?? [];
  const took = all.map((one) => one.delivered_after_seconds).filter((one) => one !== null);
  if (!all.length) return report.digests?.length ? 'in a digest' : 'to nobody';
  const of = took.length === all.length ? plural(all.length, 'channel') : `${took.length} of ${plural(all.length, 'channel')}`;
  return took.length ? `${of}, ${duration(Math.max(...took))}` : of;
}
