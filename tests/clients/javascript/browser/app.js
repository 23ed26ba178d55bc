// A page that uses everything of the SDK once; `window.shop` says where to send it and how.
import * as Sentry from '@sentry/browser';
import { pay, refund } from './cart.js';

const { dsn, options } = window.shop;
const statuses = [];

Sentry.init({
  dsn,
  release: 'web@3.2.1',
  environment: 'staging',
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'manual',
  replaysSessionSampleRate: 1,
  enableLogs: true,
  integrations: [
    Sentry.browserTracingIntegration({ finalTimeout: 5000 }),
    Sentry.browserProfilingIntegration(),
    Sentry.replayIntegration({ minReplayDuration: 0 }),
    Sentry.feedbackIntegration({ autoInject: true, enableScreenshot: false }),
  ],
  ...options,
});
Sentry.getClient().on('afterSendEvent', (_event, answer) => statuses.push(answer?.statusCode ?? null));
Sentry.setUser({ id: 'user-17', username: 'ada' });
Sentry.setTag('plan', 'pro');

function importPrices() {
  // A short one: what a browser sends for a page at the same time has to be below 64 KiB.
  Sentry.uiProfiler.startProfiler();
  setTimeout(() => Sentry.uiProfiler.stopProfiler(), 50);
  Sentry.captureMessage('prices are old', 'warning');
  Sentry.logger.info('prices were imported', { count: 3 });
  Sentry.metrics.count('prices_seen', 3);
  Sentry.withScope((scope) => {
    scope.addAttachment({ filename: 'prices.csv', data: 'tea,450\ncoffee,\n', contentType: 'text/csv' });
    Sentry.captureException(new TypeError('the list has a hole'));
  });
}

async function load() {
  document.querySelector('#price').textContent = await (await fetch('/price')).text();
}

void load();
const actions = {
  pay: () => pay('coffee'),
  refund: () => void refund(19),
  import: importPrices,
};
for (const [name, action] of Object.entries(actions)) {
  document.querySelector(`#${name}`).addEventListener('click', action);
}
addEventListener('pagehide', () => Sentry.captureMessage('left in a hurry', 'info'));

window.flush = async () => {
  await Sentry.getReplay()?.flush();
  return { isFlushed: await Sentry.flush(15000), statuses };
};
