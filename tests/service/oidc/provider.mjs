// A real identity provider for tests: node provider.mjs PORT FOLDER. FOLDER/setup.json says its keys, clients, people and
// their groups; it is read again on SIGHUP.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, folder] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

function make() {
  const setup = JSON.parse(readFileSync(`${folder}/setup.json`, "utf8"));
  const told = (who) => (setup.groups[who] ? { groups: setup.groups[who] } : {});
  const resource = {
    scope: "",
    audience: setup.audience,
    accessTokenFormat: "jwt",
    accessTokenTTL: 600,
    jwt: { sign: { alg: "RS256" } },
  };
  return new Provider(issuer, {
    jwks: setup.jwks,
    clients: setup.clients,
    claims: { openid: ["sub"], groups: ["groups"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["of tests"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...told(id) }) }),
    extraTokenClaims: (_, token) => told(token.accountId ?? token.clientId),
    pkce: { required: () => true, methods: ["S256"] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:clearance",
        useGrantedResource: () => true,
        getResourceServerInfo: () => resource,
      },
    },
  });
}

let provider = make();
process.on("SIGHUP", () => {
  provider = make();
  console.log("read again");
});
createServer((request, response) => provider.callback()(request, response)).listen(Number(port), "127.0.0.1", () =>
  console.log("ready"),
);
