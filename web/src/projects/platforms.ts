/** What a project can be written with, and how its SDK is given the DSN. */
import type { ProjectKey } from '../api/projects';

export interface Step {
  title: string;
  code: string;
}

export interface Guide {
  platform: string;
  label: string;
  steps: (key: ProjectKey, slug: string, origin: string) => Step[];
}

const browserTunnel = (origin: string): string => `// Blockers know Sentry's paths. This one they do not:\n  tunnel: '${origin}/tunnel',`;

export const GUIDES: Guide[] = [
  {
    platform: 'python.fastapi',
    label: 'FastAPI',
    steps: ({ dsn }) => [
      { title: 'Install', code: 'pip install "sentry-sdk[fastapi]"' },
      { title: 'Before the application is made', code: `import sentry_sdk\n\nsentry_sdk.init(\n    dsn="${dsn}",\n    environment="production",\n    release="my-api@1.0.0",\n    traces_sample_rate=0.1,\n)` },
      { title: 'Try it', code: '@app.get("/boom")\nasync def boom() -> None:\n    1 / 0' },
    ],
  },
  {
    platform: 'python',
    label: 'Python',
    steps: ({ dsn }) => [
      { title: 'Install', code: 'pip install sentry-sdk' },
      { title: 'First of all', code: `import sentry_sdk\n\nsentry_sdk.init(dsn="${dsn}", environment="production", release="my-job@1.0.0")` },
      { title: 'Try it', code: 'sentry_sdk.capture_message("It works")' },
    ],
  },
  {
    platform: 'python.django',
    label: 'Django',
    steps: ({ dsn }) => [
      { title: 'Install', code: 'pip install "sentry-sdk[django]"' },
      { title: 'In settings.py', code: `import sentry_sdk\n\nsentry_sdk.init(dsn="${dsn}", environment="production", traces_sample_rate=0.1)` },
    ],
  },
  {
    platform: 'python.celery',
    label: 'Celery',
    steps: ({ dsn }) => [
      { title: 'Install', code: 'pip install "sentry-sdk[celery]"' },
      {
        title: 'Where the workers start',
        code: `import sentry_sdk\nfrom celery import signals\nfrom sentry_sdk.integrations.celery import CeleryIntegration\n\n\n@signals.celeryd_init.connect\ndef init_sentry(**_kwargs):\n    sentry_sdk.init(\n        dsn="${dsn}",\n        environment="production",\n        traces_sample_rate=0.1,\n        # Check-ins for the tasks of beat, without a line of code more.\n        integrations=[CeleryIntegration(monitor_beat_tasks=True)],\n    )`,
      },
    ],
  },
  {
    platform: 'node',
    label: 'Node.js',
    steps: ({ dsn }) => [
      { title: 'Install', code: 'npm install @sentry/node' },
      { title: 'instrument.mjs', code: `import * as Sentry from '@sentry/node';\n\nSentry.init({\n  dsn: '${dsn}',\n  environment: 'production',\n  tracesSampleRate: 0.1,\n});` },
      { title: 'Start with it', code: 'node --import ./instrument.mjs app.mjs' },
    ],
  },
  {
    platform: 'javascript',
    label: 'Browser',
    steps: ({ dsn }, _slug, origin) => [
      { title: 'Install', code: 'npm install @sentry/browser' },
      { title: 'First of all', code: `import * as Sentry from '@sentry/browser';\n\nSentry.init({\n  dsn: '${dsn}',\n  environment: 'production',\n  release: 'web@1.0.0',\n  integrations: [Sentry.browserTracingIntegration()],\n  tracesSampleRate: 0.1,\n  ${browserTunnel(origin)}\n});` },
    ],
  },
  {
    platform: 'javascript.nextjs',
    label: 'Next.js',
    steps: ({ dsn }, slug, origin) => [
      { title: 'Install', code: 'npm install @sentry/nextjs' },
      { title: 'instrumentation-client.js', code: `import * as Sentry from '@sentry/nextjs';\n\nSentry.init({\n  dsn: '${dsn}',\n  environment: 'production',\n  tracesSampleRate: 0.1,\n  ${browserTunnel(origin)}\n});\n\nexport const onRouterTransitionStart = Sentry.captureRouterTransitionStart;` },
      { title: 'instrumentation.js', code: `import * as Sentry from '@sentry/nextjs';\n\nexport function register() {\n  Sentry.init({ dsn: '${dsn}', environment: 'production', tracesSampleRate: 0.1 });\n}\n\nexport const onRequestError = Sentry.captureRequestError;` },
      { title: 'next.config.mjs: source maps, with an API token of the role upload', code: `import { withSentryConfig } from '@sentry/nextjs/config';\n\nexport default withSentryConfig({}, {\n  sentryUrl: '${origin}/',\n  org: 'monitor',\n  project: '${slug}',\n  authToken: process.env.SENTRY_AUTH_TOKEN,\n  telemetry: false,\n});` },
    ],
  },
  {
    platform: 'sentry-cli',
    label: 'sentry-cli',
    steps: ({ dsn }, slug, origin) => [
      { title: 'Who and where: an API token of the role upload', code: `export SENTRY_URL=${origin}/\nexport SENTRY_ORG=monitor\nexport SENTRY_PROJECT=${slug}\nexport SENTRY_AUTH_TOKEN=…` },
      { title: 'A release with its source maps', code: 'sentry-cli releases new web@1.0.0\nsentry-cli sourcemaps inject ./dist\nsentry-cli sourcemaps upload --release web@1.0.0 ./dist\nsentry-cli releases finalize web@1.0.0\nsentry-cli deploys new --release web@1.0.0 -e production' },
      { title: 'A job that checks in', code: `SENTRY_DSN=${dsn} sentry-cli monitors run nightly-backup -- ./backup.sh` },
    ],
  },
  {
    platform: 'opentelemetry',
    label: 'OpenTelemetry',
    steps: (_key, slug, origin) => [
      { title: 'With an API token of the role editor', code: `export OTEL_SERVICE_NAME=${slug}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_ENDPOINT=${origin}\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$TOKEN"` },
    ],
  },
  {
    platform: 'other',
    label: 'Without an SDK',
    steps: ({ security_url, cron_url }) => [
      { title: 'What a page may load: an HTTP header', code: `Content-Security-Policy: default-src 'self'; report-uri ${security_url}` },
      { title: 'A job that checks in when it is done', code: `curl "${cron_url.replace('<monitor>', 'nightly-backup')}"` },
    ],
  },
];

export const platformLabel = (platform: string): string => GUIDES.find((one) => one.platform === platform)?.label ?? platform;

/** The guide for a platform: that one, else the one that begins alike, else the first. */
export const guideOf = (platform: string): Guide =>
  GUIDES.find((one) => one.platform === platform) ?? GUIDES.find((one) => platform && one.platform.startsWith(platform.split('.')[0]!)) ?? GUIDES[0]!;
