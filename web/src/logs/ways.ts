/** How logs are sent, a way each, with the monitor's own address in the snippet. */

export interface Way {
  key: string;
  label: string;
  text: string;
  snippet: (origin: string) => string;
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

client = Elasticsearch("${origin}/es", headers={"Authorization": "Bearer <token>"})
helpers.bulk(client, [
    {"_op_type": "create", "_index": "logs",
     "message": "it works", "log.level": "info", "service.name": "api"},
])`,
  },
];
