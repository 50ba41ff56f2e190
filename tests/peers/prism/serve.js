// Serves several OpenAPI documents from one process, each on a port of its own, as `prism mock` would
// one; prints their addresses as a JSON array, in the order of the documents. Starting node and
// loading prism takes longer than all else, so it is done once.
//
//     node serve.js FOLDER_WITH_NODE_MODULES DOCUMENT...

"use strict";
const { createRequire } = require("module");
const path = require("path");

const [folder, ...documents] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), "node_modules/@stoplight/prism-cli/dist/x.js"));
const { createLogger } = load("@stoplight/prism-core");
const { getHttpOperationsFromSpec } = load("@stoplight/prism-http");
const { createServer } = load("@stoplight/prism-http-server");

async function serve(document) {
  const server = createServer(await getHttpOperationsFromSpec(document), {
    cors: true,
    config: {
      isProxy: false,
      checkSecurity: true,
      validateRequest: true,
      validateResponse: true,
      errors: false,
      upstreamProxy: undefined,
      mock: { dynamic: false },
    },
    components: { logger: createLogger("prism", { level: "silent" }) },
  });
  return server.listen(0, "127.0.0.1");
}

async function main() {
  const urls = [];
  for (const document of documents) urls.push(await serve(document));
  process.stdout.write(JSON.stringify(urls) + "\n");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
