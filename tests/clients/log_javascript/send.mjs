// Sends numbered records with one client of npm: half of them, then, when it is told to, the rest.

import { createInterface } from "node:readline";

const [client, count] = [process.argv[2], Number(process.argv[3])];
const { MONITOR_URL, MONITOR_TOKEN } = process.env;
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function winstonElasticsearch() {
  const { default: winston } = await import("winston");
  const { ElasticsearchTransport } = await import("winston-elasticsearch");
  const transport = new ElasticsearchTransport({
    level: "info",
    dataStream: true,
    index: `logs-${client}-tests`,
    flushInterval: 100,
    bufferLimit: 2 * count,
    clientOpts: {
      node: `${MONITOR_URL}/es`,
      auth: { username: "anybody", password: MONITOR_TOKEN },
    },
  });
  // It tells of what it sends again.
  transport.on("warning", () => {});
  const logger = winston.createLogger({ transports: [transport] });
  let [logged, answered] = [0, 0];
  transport.client.diagnostic.on("response", (error, result) => {
    if (!error) answered += result.body?.items?.length ?? 0;
  });
  return {
    log: (number) => {
      logger.warn(`record ${number}`, { number });
      logged++;
    },
    flush: async () => {
      // What is under way when the monitor stops is put back into the buffer.
      while (answered < logged) await new Promise((resolve) => setTimeout(resolve, 50));
    },
  };
}

async function winstonLoki(isJson) {
  const { default: winston } = await import("winston");
  const { default: LokiTransport } = await import("winston-loki");
  const transport = new LokiTransport({
    host: MONITOR_URL,
    basicAuth: `anybody:${MONITOR_TOKEN}`,
    json: isJson,
    labels: { service_name: client },
    interval: 0.1,
    replaceTimestamp: true,
    gracefulShutdown: false,
    onConnectionError: () => {},
    format: winston.format.json(),
  });
  // It waits for a minute after a failure, which no option changes.
  transport.batcher.circuitBreakerInterval = 500;
  const logger = winston.createLogger({ transports: [transport] });
  return {
    log: (number) => logger.warn(`record ${number}`, { number }),
    flush: async () => {
      while (transport.batcher.batch.streams.length) {
        await transport.flush();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}

async function pinoElasticsearch() {
  const { default: pino } = await import("pino");
  const { default: pinoElastic } = await import("pino-elasticsearch");
  const stream = pinoElastic({
    index: `logs-${client}-tests`,
    node: `${MONITOR_URL}/es`,
    auth: { apiKey: MONITOR_TOKEN },
    opType: "create",
    flushBytes: 100_000,
    flushInterval: 200,
  });
  const sent = new Promise((resolve, reject) => {
    stream.on("insert", resolve);
    stream.on("error", reject);
    stream.on("insertError", reject);
  });
  const logger = pino(stream);
  return {
    log: (number) => logger.warn({ number }, `record ${number}`),
    flush: async () => {
      stream.end();
      await sent;
    },
  };
}

const makers = {
  "winston-elasticsearch": winstonElasticsearch,
  "winston-loki-json": () => winstonLoki(true),
  "winston-loki-protobuf": () => winstonLoki(false),
  "pino-elasticsearch": pinoElasticsearch,
};

const { log, flush } = await makers[client]();
for (let number = 0; number < count; number++) {
  if (number === count / 2) {
    if (client !== "pino-elasticsearch") await flush();
    console.log("half");
    await input.next();
  }
  log(number);
}
await flush();
process.exit(0);
