/** What a project can be written with, and how its SDK is given the DSN. */
import type { ProjectKey } from '../api/projects';
import guides from './guides.json';

export interface Step {
  title: string;
  code: string;
}

interface Template {
  title: string;
  /** Lines with `{{names}}`, which `fillStep` knows. The tests run these very lines. */
  code: string[];
}

export interface Guide {
  platform: string;
  label: string;
  steps: Template[];
}

export const GUIDES: Guide[] = guides;

/** A step for a project, as it can be copied. */
export function fillStep(step: Template, key: ProjectKey, slug: string, origin: string): Step {
  const values: Record<string, string> = {
    dsn: key.dsn,
    security_url: key.security_url,
    cron_url: key.cron_url.replace('<monitor>', 'nightly-backup'),
    slug,
    origin,
  };
  const code = step.code.join('\n').replace(/\{\{(\w+)\}\}/g, (found, name: string) => values[name] ?? found);
  return { title: step.title, code };
}

export const platformLabel = (platform: string): string => GUIDES.find((one) => one.platform === platform)?.label ?? platform;

/** The guide for a platform: that one, else the one that begins alike, else the first. */
export const guideOf = (platform: string): Guide =>
  GUIDES.find((one) => one.platform === platform) ?? GUIDES.find((one) => platform && one.platform.startsWith(platform.split('.')[0]!)) ?? GUIDES[0]!;
