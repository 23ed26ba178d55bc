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

export const STATUSES = ['failed', 'retrying', 'queued', 'sent', 'superseded'] as const;
