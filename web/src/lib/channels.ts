/** How the kinds of integrations are called and drawn. */
const CHANNELS: Record<string, [name: string, icon: string]> = {
  email: ['E-mail', 'mail'],
  slack: ['Slack', 'hash'],
  webhook: ['Webhook', 'webhook'],
  pagerduty: ['PagerDuty', 'drill'],
  apprise: ['Apprise', 'globe'],
};

export const CHANNEL_KINDS = Object.keys(CHANNELS);
export const channelName = (kind: string): string => CHANNELS[kind]?.[0] ?? kind;
export const channelIcon = (kind: string): string => CHANNELS[kind]?.[1] ?? 'send';
