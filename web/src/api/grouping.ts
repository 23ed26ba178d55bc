/** Why events are together, merges and splits, and how a project groups; as docs/http-api.md has them. */
import type { Iso } from './types';

export interface GroupingComponent {
  kind: string;
  values: string[];
}

export interface ExplainedFrame {
  function: string;
  module: string;
  in_app: boolean;
  counts: boolean;
  reason: string;
}

export interface ExplainedException {
  type: string;
  value: string;
  counts: boolean;
  reason: string;
  frames: ExplainedFrame[];
  hidden_frames: number;
}

export interface Explanation {
  event_id: string;
  version: number;
  key: string | null;
  is_exact: boolean;
  today: string | null;
  reason: string;
  source: 'default' | 'sdk' | 'rule';
  rule: { text: string; line: number } | null;
  fingerprint: string[];
  components: GroupingComponent[];
  exceptions: ExplainedException[];
  ignored: string[];
}

export interface GroupingKey {
  id: string;
  version: number;
  event_count: number;
  stored_count: number;
  last_seen_at: Iso | null;
  sample_event_id: string | null;
  sample_message: string;
}

export interface Merge {
  id: string;
  kind: 'merge' | 'split';
  issue_id: string;
  at: Iso;
  actor: string;
  members: { issue_id: string; short_id: string; title: string; event_count: number }[];
  undone_at: Iso | null;
  undone_by: string | null;
  can_undo: boolean;
  obstacle: string | null;
}

export interface IssueGrouping {
  explanation: Explanation | null;
  keys: GroupingKey[];
  merges: Merge[];
}

export interface Regrouped {
  merge_id: string;
  issue_id: string;
  other_ids: string[];
  missing_events: number;
}

export interface PreviewedIssue {
  id: string;
  short_id: string;
  title: string;
  events: number;
  keys: number;
}

export interface GroupingPreview {
  version: number;
  started_at: Iso;
  finished_at: Iso | null;
  is_running: boolean;
  problem: string | null;
  issues_total: number;
  issues_done: number;
  events_done: number;
  joined_issues: number;
  joined_sets: number;
  split_issues: number;
  joined: PreviewedIssue[][];
  split: PreviewedIssue[];
}

export interface ProjectGrouping {
  project: { id: number; slug: string };
  version: number;
  newest_version: number;
  versions: number[];
  previous_version: number | null;
  previous_until: Iso | null;
  rules: string;
  configured_rules: string[];
  updated_at: Iso | null;
  updated_by: string | null;
  changes: { at: Iso; actor: string; kind: 'rules' | 'version'; text: string }[];
  preview: GroupingPreview | null;
}

export interface RuleTrial {
  line: number;
  text: string;
  events: number;
  issues: number;
  groups: number;
  examples: { event_id: string; issue_id: string; short_id: string; title: string; fingerprint: string[]; new_title: string | null }[];
}

export interface RulesTrial {
  events: number;
  issues: number;
  matched_events: number;
  rules: RuleTrial[];
}
