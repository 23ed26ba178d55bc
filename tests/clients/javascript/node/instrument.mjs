// Loaded before the application, as Sentry's manual says: node --import ./instrument.mjs app.mjs
import * as Sentry from '@sentry/node';

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: 'shop@7.1.0',
  environment: 'staging',
  serverName: process.env.SENTRY_SERVER,
  tracesSampleRate: 1,
  enableLogs: true,
  ...JSON.parse(process.env.SENTRY_OPTIONS ?? '{}'),
});
