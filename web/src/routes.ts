/** Which page shows which path. Each page is its own chunk. */
import type { Component } from 'svelte';

export interface Route {
  pattern: RegExp;
  // Pages declare their own parameters; the pattern's named groups are their props.
  load: () => Promise<{ default: Component<never> }>;
}

export const ROUTES: Route[] = [
  { pattern: /^\/$/, load: () => import('./pages/Overview.svelte') },
  { pattern: /^\/issues\/?$/, load: () => import('./pages/Issues.svelte') },
  { pattern: /^\/issues\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Issue.svelte') },
  { pattern: /^\/traces\/?$/, load: () => import('./pages/Traces.svelte') },
  { pattern: /^\/traces\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Trace.svelte') },
  { pattern: /^\/performance\/?$/, load: () => import('./pages/Performance.svelte') },
  { pattern: /^\/performance\/endpoint\/?$/, load: () => import('./pages/PerformanceEndpoint.svelte') },
  { pattern: /^\/performance\/database\/?$/, load: () => import('./pages/PerformanceDatabase.svelte') },
  { pattern: /^\/performance\/requests\/?$/, load: () => import('./pages/PerformanceRequests.svelte') },
  { pattern: /^\/performance\/statements\/(?<id>[^/]+)\/?$/, load: () => import('./pages/PerformanceStatement.svelte') },
  { pattern: /^\/performance\/vitals\/?$/, load: () => import('./pages/PerformanceVitals.svelte') },
  { pattern: /^\/performance\/findings\/?$/, load: () => import('./pages/PerformanceFindings.svelte') },
  { pattern: /^\/crons\/?$/, load: () => import('./pages/Crons.svelte') },
  { pattern: /^\/crons\/(?<project>\d+)\/(?<slug>[^/]+)\/?$/, load: () => import('./pages/Cron.svelte') },
  { pattern: /^\/releases\/?$/, load: () => import('./pages/Releases.svelte') },
  { pattern: /^\/releases\/(?<project>\d+)\/(?<version>[^/]+)\/?$/, load: () => import('./pages/Release.svelte') },
  { pattern: /^\/feedback\/?$/, load: () => import('./pages/Feedback.svelte') },
  // Not /metrics: there the monitor exposes its own.
  { pattern: /^\/explore\/?$/, load: () => import('./pages/Metrics.svelte') },
  { pattern: /^\/logs\/?$/, load: () => import('./pages/Logs.svelte') },
  { pattern: /^\/(?:monitors|probes)\/?$/, load: () => import('./pages/Monitors.svelte') },
  { pattern: /^\/(?:monitors|probes)\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Monitor.svelte') },
  { pattern: /^\/alerts\/?$/, load: () => import('./pages/Alerts.svelte') },
  { pattern: /^\/alerts\/(?<fingerprint>[^/]+)\/?$/, load: () => import('./pages/Alert.svelte') },
  { pattern: /^\/silences\/?$/, load: () => import('./pages/Silences.svelte') },
  { pattern: /^\/silences\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Silence.svelte') },
  { pattern: /^\/rules\/?$/, load: () => import('./pages/Rules.svelte') },
  { pattern: /^\/rules\/(?<id>[^/]+)\/?$/, load: () => import('./pages/RuleEdit.svelte') },
  { pattern: /^\/routes\/?$/, load: () => import('./pages/Routes.svelte') },
  { pattern: /^\/notifications\/?$/, load: () => import('./pages/Notifications.svelte') },
  { pattern: /^\/notifications\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Notification.svelte') },
  { pattern: /^\/drills\/?$/, load: () => import('./pages/Drills.svelte') },
  { pattern: /^\/drills\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Drill.svelte') },
  { pattern: /^\/targets\/?$/, load: () => import('./pages/Targets.svelte') },
  { pattern: /^\/cardinality\/?$/, load: () => import('./pages/Cardinality.svelte') },
  { pattern: /^\/projects\/?$/, load: () => import('./pages/Projects.svelte') },
  { pattern: /^\/projects\/(?<id>[^/]+)\/?$/, load: () => import('./pages/Project.svelte') },
  { pattern: /^\/source-maps\/?$/, load: () => import('./pages/SourceMaps.svelte') },
  { pattern: /^\/settings\/?$/, load: () => import('./pages/Settings.svelte') },
];
