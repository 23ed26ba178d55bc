import { withSentryConfig } from '@sentry/nextjs/config';

export default withSentryConfig(
  { experimental: { turbopackFileSystemCacheForBuild: false } },
  {
    sentryUrl: process.env.SENTRY_URL,
    org: process.env.SENTRY_ORG,
    project: process.env.SENTRY_PROJECT,
    authToken: process.env.SENTRY_AUTH_TOKEN,
    release: { name: process.env.NEXT_PUBLIC_SENTRY_RELEASE },
    telemetry: false,
    errorHandler: (error) => {
      throw error;
    },
  },
);
