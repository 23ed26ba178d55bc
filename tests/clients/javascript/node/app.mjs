// A shop that uses everything of the SDK once, and prints what the SDK said about it.
import { once } from 'node:events';
import * as Sentry from '@sentry/node';
import express from 'express';
import { placeOrder, refund } from './orders.mjs';

const statuses = [];
Sentry.getClient().on('afterSendEvent', (_event, answer) => statuses.push(answer?.statusCode ?? null));

function serve() {
  const app = express();
  app.get('/orders/:name', (request, response) => {
    Sentry.setUser({ id: 'user-17', username: 'ada' });
    Sentry.setTag('plan', 'pro');
    Sentry.addBreadcrumb({ category: 'cart', message: `looks up ${request.params.name}`, level: 'info' });
    response.json({ cents: placeOrder(request.params.name) });
  });
  Sentry.setupExpressErrorHandler(app);
  app.use((_error, _request, response, _next) => response.status(500).end());
  return app.listen(0, '127.0.0.1');
}

async function shop(url) {
  const answers = [];
  for (const name of ['tea', 'coffee']) {
    answers.push((await fetch(`${url}/orders/${name}`)).status);
  }
  return answers;
}

async function runJobs() {
  const job = { schedule: { type: 'crontab', value: '0 3 * * *' }, checkinMargin: 5, maxRuntime: 30, timezone: 'Europe/Berlin' };
  await Sentry.withMonitor('nightly-report', async () => 1, job);
  await Sentry.withMonitor('nightly-refund', () => refund(18), job).catch(() => {});
}

async function importPrices() {
  await Sentry.startSpan({ name: "SELECT * FROM prices WHERE shop = 'ada'", op: 'db' }, async () => {});
  Sentry.captureMessage('prices are old', 'warning');
  Sentry.logger.info('prices were imported', { count: 3 });
  Sentry.metrics.count('prices_imported', 3);
  Sentry.metrics.distribution('import_duration', 12.5, { unit: 'millisecond' });
  Sentry.withScope((scope) => {
    scope.addAttachment({ filename: 'prices.csv', data: 'tea,450\ncoffee,\n', contentType: 'text/csv' });
    const hole = Sentry.captureException(new TypeError('the list has a hole'));
    Sentry.captureFeedback({ message: 'Where is my tea?', name: 'Bob', email: 'bob@example.org', associatedEventId: hole });
  });
}

const server = serve();
await once(server, 'listening');
const told = {};
await Sentry.startSpan({ name: 'a visit', op: 'test' }, async (span) => {
  told.trace = span.spanContext().traceId;
  told.answers = await shop(`http://127.0.0.1:${server.address().port}`);
  await importPrices();
});
server.close();
await runJobs();
void refund(19);
await new Promise((resolve) => setImmediate(resolve));
told.isFlushed = await Sentry.flush(15000);
process.stdout.write(`${JSON.stringify({ ...told, statuses })}\n`);
if (process.argv[2] === 'crash') {
  throw new SyntaxError('and then it fell over');
}
