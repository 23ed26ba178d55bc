/** The routing tree and who would be told, as in docs/http-api.md. */
import type { Labels, Mute } from './alerts';
import type { Iso } from './types';

export interface IntegrationBrief {
  kind: string;
  destination: string;
  send_resolved: boolean;
}

export interface EscalationStep {
  /** Since it was first told, without acknowledgement. */
  after: string;
  receiver: string;
  /** Empty for all of the receiver's. */
  channels: string[];
  is_last: boolean;
}

/** A node with everything that it inherits filled in. */
export interface RouteNode {
  id: string;
  receiver: string;
  matchers: string;
  group_by: string[];
  /** Null where it depends on the severity. */
  group_wait: string | null;
  group_interval: string;
  repeat_interval: string;
  continue: boolean;
  channels: string[];
  digest: 'daily' | 'weekly' | null;
  escalation: { name: string; steps: EscalationStep[] } | null;
  mute_time_intervals: string[];
  active_time_intervals: string[];
  routes: RouteNode[];
}

export interface DigestPlan {
  name: string;
  receiver: string;
  schedule: 'daily' | 'weekly';
  next_at: Iso;
  location: string;
  integrations: IntegrationBrief[];
}

export interface RoutingTree {
  is_default: boolean;
  root: RouteNode;
  receivers: { name: string; integrations: IntegrationBrief[] }[];
  digests: DigestPlan[];
}

export interface Told {
  node: string;
  receiver: string;
  integrations: IntegrationBrief[];
  group_labels: Labels;
  wait: string;
  /** The time without acknowledgement before this step of an escalation; null for the first telling. */
  after: string | null;
}

export interface Tried {
  labels: Labels;
  nodes: string[];
  path: string[];
  told: Told[];
  digests: DigestPlan[];
  mute: Mute | null;
}
