/** How a rule is doing, in the words of the page. */
import type { Rule, RuleGroup } from '../api/types';

/** The `file` of groups that were made here. */
export const MADE_HERE = 'managed';

export const isFailing = (rule: Rule): boolean => rule.health === 'err';
export const isWithoutData = (rule: Rule): boolean => rule.data === 'vanished' || rule.data === 'never';
export const isMadeHere = (group: RuleGroup): boolean => group.file === MADE_HERE;

export const fileName = (path: string): string => path.split('/').at(-1) ?? path;
export const placeOf = (group: RuleGroup, rule: Rule): string => `${group.file}${rule.line ? `:${rule.line}` : ''}`;

/** What names a rule on the page: names may be there twice. */
export const keyOf = (group: RuleGroup, rule: Rule): string => rule.managed_id ?? `${fileName(group.file)}/${group.name}/${rule.name}/${rule.line ?? 0}`;

export const DATA: Record<Rule['data'], string> = {
  unknown: 'not looked for yet',
  present: 'there is some',
  vanished: 'nothing is left of the series that it reads',
  never: 'there never was anything of the series that it reads',
};

export const NO_DATA: Record<string, string> = {
  ignore: 'resolves, as in Prometheus',
  alert: 'resolves, and RuleWithoutData is raised',
  keep: 'its alerts stay, and RuleWithoutData is raised',
};

/** The rule as an item of a rule file, in the address of the editor: to make another one of it. */
export function copyHref(group: RuleGroup, rule: Rule): string {
  const seconds = (value: number): string | undefined => (value ? `${value}s` : undefined);
  const item = {
    [rule.type === 'alerting' ? 'alert' : 'record']: rule.name,
    expr: rule.expr,
    for: seconds(rule.for_seconds),
    keep_firing_for: seconds(rule.keep_firing_for_seconds),
    labels: rule.labels,
    annotations: rule.type === 'alerting' ? rule.annotations : undefined,
  };
  return `/rules/new?${new URLSearchParams({ rule: JSON.stringify(item), group: group.name })}`;
}
