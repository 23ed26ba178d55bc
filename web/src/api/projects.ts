/** Projects, as `/api/monitor/projects` answers. */
import type { Iso } from './types';

export interface RateLimit {
  limit: number;
  window: string;
}

export interface QuotaRule extends RateLimit {
  category: string;
}

export interface ScrubPattern {
  name: string;
  pattern: string;
}

export interface ProjectSettings {
  filters: { browser_extensions: boolean; localhost: boolean; web_crawlers: boolean; health_checks: boolean; releases: string[]; messages: string[] };
  scrubbing: { keys: string[]; safe_keys: string[]; patterns: ScrubPattern[]; addresses: 'keep' | 'anonymise' | 'drop' };
  quotas: QuotaRule[];
  spike_protection: { enabled: boolean; factor: number; min_per_hour: number };
  store_attachments: boolean;
}

export interface ProjectKey {
  /** Null of a key from the configuration. */
  id: string | null;
  public: string;
  name: string;
  is_enabled: boolean;
  rate_limit: RateLimit | null;
  created_at: Iso | null;
  dsn: string;
  security_url: string;
  cron_url: string;
}

export interface ProjectDetail {
  id: number;
  slug: string;
  name: string;
  platform: string;
  is_provisioned: boolean;
  created_at: Iso | null;
  dsn: string;
  keys: ProjectKey[];
  settings: ProjectSettings;
  limited: { categories: string[]; reason: string; retry_after_seconds: number }[];
  spikes: { category: string; usual_per_hour: number; limit_per_hour: number | null }[];
}

export type OutcomeName = 'accepted' | 'filtered' | 'rate_limited' | 'invalid' | 'client_discard';

export interface OutcomeSeries {
  category: string;
  outcome: OutcomeName;
  reason: string;
  total: number;
  counts: number[];
}

export interface Outcomes {
  start: Iso;
  end: Iso;
  step_seconds: number;
  series: OutcomeSeries[];
}
