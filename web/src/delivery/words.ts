/** What notifications and their ways are called. */
import type { Notification } from '../api/types';

export const KINDS: Record<Notification['kind'], [label: string, tone: string]> = {
  firing: ['Firing', 'critical'],
  resolved: ['Resolved', 'ok'],
  notice: ['Notice', 'info'],
  acknowledged: ['Acknowledged', 'info'],
};

export const STEPS: Record<string, [label: string, tone: string, icon: string]> = {
  queued: ['Queued', '', 'clock'],
  requeued: ['Queued again', '', 'refresh'],
  attempt_failed: ['Attempt failed', 'warning', 'issue'],
  accepted: ['Accepted', 'ok', 'check'],
  failed: ['Given up', 'critical', 'x'],
  fell_back: ['Fell back', 'warning', 'route'],
  acknowledged: ['Acknowledged', 'info', 'user'],
  superseded: ['Superseded', '', 'layers'],
};

/** Where an alert that a message is about is shown; a drill's alerts are only in its report. */
export const alertHref = ({ drill_id }: Notification, fingerprint: string): string =>
  drill_id ? `/drills/${encodeURIComponent(drill_id)}` : `/alerts/${encodeURIComponent(fingerprint)}`;

export const STATUSES = ['failed', 'retrying', 'queued', 'sent', 'superseded'] as const;
