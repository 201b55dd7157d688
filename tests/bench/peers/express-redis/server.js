// Receives deliveries of GitHub. Each is verified, and stored in Redis once, before it is answered.

import cluster from "node:cluster";

import { Webhooks } from "@octokit/webhooks";
import express from "express";
import { createClient, defineScript } from "redis";

const WORKERS = Number(process.env.WORKERS ?? 2);

// GitHub's "Redeliver" is possible for three days.
const REMEMBERED_SECONDS = 3 * 24 * 60 * 60;

// The check for a repeated delivery and the write are one script: with two commands, a crash between them would lose the delivery.
const admit = defineScript({
  NUMBER_OF_KEYS: 2,
  SCRIPT: `
    if not redis.call("SET", KEYS[1], "", "NX", "EX", ARGV[1]) then
      return 0
    end
    redis.call("XADD", KEYS[2], "*", "id", ARGV[2], "event", ARGV[3], "payload", ARGV[4])
    return 1
  `,
  parseCommand(parser, { id, event, payload }) {
    parser.pushKey(`github:delivery:${id}`);
    parser.pushKey("github:events");
    parser.push(String(REMEMBERED_SECONDS), id, event, payload);
  },
  transformReply: (reply) => reply === 1,
});

async function serve() {
  const webhooks = new Webhooks({ secret: process.env.GITHUB_SECRET });
  const redis = createClient({ url: process.env.REDIS_URL, scripts: { admit } });
  redis.on("error", (error) => console.error("redis:", error.message));
  await redis.connect();

  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  // The signature is of the bytes as they were sent, so the body must not be parsed first.
  app.post("/webhooks/github", express.text({ type: "application/json", limit: "25mb" }), async (request, response) => {
    const [signature, event, id] = ["x-hub-signature-256", "x-github-event", "x-github-delivery"].map((name) =>
      request.get(name),
    );
    if (!signature || !event || !id || !request.body) {
      return response.status(400).end();
    }
    if (!(await webhooks.verify(request.body, signature))) {
      return response.status(401).end();
    }
    await redis.admit({ id, event, payload: request.body });
    response.status(200).end();
  });
  app.listen(Number(process.env.PORT), "127.0.0.1");
}

if (cluster.isPrimary && WORKERS > 1) {
  for (let n = 0; n < WORKERS; n++) {
    cluster.fork();
  }
  cluster.on("exit", (worker) => {
    console.error(`worker ${worker.process.pid} ended`);
    process.exit(1);
  });
} else {
  await serve();
}
