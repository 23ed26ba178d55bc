/** How logs are sent, a way each, with the monitor's own address in the snippet. */

export interface Way {
  key: string;
  label: string;
  text: string;
  snippet: (origin: string) => string;
}

/** The client of Elasticsearch refuses an address without its port. */
function withPort(origin: string): string {
  if (/:\d+$/.test(origin)) return origin;
  return `${origin}:${origin.startsWith('https:') ? 443 : 80}`;
}

export const WAYS: Way[] = [
  {
    key: 'curl',
    label: 'curl',
    text: 'Elasticsearch\u2019s bulk request: a line that says what to do, then the record.',
    snippet: (origin) => `curl ${origin}/es/_bulk \\
  -H 'Authorization: Bearer <token>' \\
  -H 'Content-Type: application/x-ndjson' \\
  --data-binary $'{"create":{}}\\n{"message":"it works","log.level":"info","service.name":"api"}\\n'`,
  },
  {
    key: 'python',
    label: 'Python',
    text: 'The official client, Elasticsearch\u2019s or OpenSearch\u2019s; structlog and ECS names are understood.',
    snippet: (origin) => `from elasticsearch import Elasticsearch, helpers

client = Elasticsearch("${withPort(origin)}/es", headers={"Authorization": "Bearer <token>"})
helpers.bulk(client, [
    {"_op_type": "create", "_index": "logs",
     "message": "it works", "log.level": "info", "service.name": "api"},
])`,
  },
  {
    key: 'otlp',
    label: 'OTLP',
    text: 'OpenTelemetry\u2019s logs, protobuf or JSON, from any of its SDKs or a collector. The environment is all that an application needs:',
    snippet: (origin) => `OTEL_SERVICE_NAME=api
OTEL_LOGS_EXPORTER=otlp
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=${origin}/v1/logs
OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20<token>`,
  },
  {
    key: 'vercel',
    label: 'Vercel',
    text: 'A log drain, JSON or NDJSON. Its secret stands in logs.vercel in the configuration; 1 is the project\u2019s number, its slug will do too. The drain\u2019s endpoint:',
    snippet: (origin) => `${origin}/api/1/drain/vercel`,
  },
  {
    key: 'syslog',
    label: 'Syslog',
    text: 'TCP, with TLS or in clear, RFC 5424 and 3164. In the monitor\u2019s configuration, then host and port at the sender:',
    snippet: () => `logs:
  syslog:
    - listen: 0.0.0.0:6514
      tls: {cert_file: cert.pem, key_file: key.pem}
      tokens: [{token: "\${SYSLOG_TOKEN}", project: shop}]`,
  },
  {
    key: 'files',
    label: 'Files',
    text: 'Files on the monitor\u2019s machine are followed; how far is kept, so that nothing is lost while it is down. In its configuration:',
    snippet: () => `logs:
  files:
    - {path: /var/log/shop/*.log, service: shop, environment: production}`,
  },
];
