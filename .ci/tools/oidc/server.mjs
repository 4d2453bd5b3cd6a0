// The strict OAuth server of the login's tests: oidc-provider, with clients that a test makes for itself and whose
// habits it chooses, so that tests don't disturb each other. Usage: node server.mjs PORT
//
//   POST /admin/clients {habits}   makes a client: {"client_id", "client_secret"}
//   DELETE /admin/clients/ID       ends all its logins, as a user does who takes the access back
//   GET  /admin/clients/ID         what the token endpoint answered it, as {"grant_type status": count}
//
// Habits: consent "form" (a page with buttons), "allow", "deny"; rotate (a refresh token is replaced by its use, and its
// second use ends the login); refresh (false: no refresh token); accessTTL, refreshTTL, codeTTL in seconds; announce
// (refresh_token_expires_in, as Google tells it); withhold (the
// answer says that other scopes were granted).

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const files = 'https://www.googleapis.com/auth/drive.file';
const appData = 'https://www.googleapis.com/auth/drive.appdata';
const usual = { consent: 'allow', rotate: false, refresh: true, accessTTL: 3600, refreshTTL: 14 * 86400, codeTTL: 60, withhold: false };
const habits = new Map();
const counts = new Map();

// Everything lies in memory, for as long as the server runs.
class Memory {
  static all = new Map();
  static grants = new Map();
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind}:${id}`; }
  async upsert(id, payload) {
    Memory.all.set(this.key(id), payload);
    if (payload.uid) Memory.all.set(this.key(`uid:${payload.uid}`), payload);
    if (payload.grantId) {
      if (!Memory.grants.has(payload.grantId)) Memory.grants.set(payload.grantId, new Set());
      Memory.grants.get(payload.grantId).add(this.key(id));
    }
  }
  async find(id) { return Memory.all.get(this.key(id)); }
  async findByUid(uid) { return this.find(`uid:${uid}`); }
  async findByUserCode() { return undefined; }
  async consume(id) { Memory.all.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { Memory.all.delete(this.key(id)); }
  async revokeByGrantId(grant) {
    for (const key of Memory.grants.get(grant) ?? []) Memory.all.delete(key);
    Memory.grants.delete(grant);
  }
}

const habit = (client) => habits.get(client?.clientId) ?? usual;
const provider = new Provider(issuer, {
  adapter: Memory,
  scopes: ['openid', files, appData],
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: async (ctx, client) => habit(client).refresh,
  rotateRefreshToken: (ctx) => habit(ctx.oidc.client).rotate,
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: {
    AccessToken: (ctx, token, client) => habit(client).accessTTL,
    RefreshToken: (ctx, token, client) => habit(client).refreshTTL,
    AuthorizationCode: (ctx, token, client) => habit(client).codeTTL,
    Grant: 14 * 86400, Interaction: 3600, Session: 3600,
  },
});

// Google says how long a refresh token of a testing app lives; what was answered is counted.
provider.use(async (ctx, next) => {
  await next();
  const client = ctx.oidc?.client;
  if (ctx.path !== '/token' || !client) return;
  const { announce, withhold } = habit(client);
  if (announce && ctx.status === 200) ctx.body.refresh_token_expires_in = announce;
  if (withhold && ctx.status === 200) ctx.body.scope = 'openid'; // as after a box that the user unticked
  const count = counts.get(client.clientId);
  const name = `${ctx.oidc.params?.grant_type} ${ctx.status}`;
  count[name] = (count[name] ?? 0) + 1;
});

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

function json(response, value) {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

async function admin(request, response, path) {
  const asked = path.split('/')[3];
  if (request.method === 'GET') return json(response, counts.get(asked));
  if (request.method === 'DELETE') {
    const grants = new Set([...Memory.all.values()].filter((kept) => kept.clientId === asked && kept.grantId).map((kept) => kept.grantId));
    for (const grant of grants) await new Memory().revokeByGrantId(grant);
    return json(response, { ended: grants.size });
  }
  const wanted = JSON.parse(await body(request));
  const id = `client-${randomBytes(6).toString('hex')}`;
  const secret = randomBytes(24).toString('base64url');
  habits.set(id, { ...usual, ...wanted });
  counts.set(id, {});
  await new Memory('Client').upsert(id, {
    client_id: id, client_secret: secret, application_type: 'native', token_endpoint_auth_method: 'client_secret_post',
    redirect_uris: ['http://127.0.0.1/'], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
  });
  return json(response, { client_id: id, client_secret: secret });
}

// interact answers the server's questions to the user, "who are you" and "do you allow this".
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  let action = habits.get(params.client_id).consent;
  if (action === 'form') {
    if (request.method === 'GET') {
      const buttons = prompt.name === 'login' ? ['login'] : ['allow', 'deny'];
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(`<!DOCTYPE html><title>${prompt.name}</title><h1>${prompt.name}</h1><form method="post">${
        buttons.map((name) => `<button id="${name}" name="action" value="${name}">${name}</button>`).join('')}</form>`);
      return;
    }
    action = new URLSearchParams(await body(request)).get('action');
  }
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  if (action === 'deny' && prompt.name === 'consent') return finish({ error: 'access_denied', error_description: 'The user said no' });
  if (prompt.name === 'login') return finish({ login: { accountId: 'alice' } });
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return finish({ consent: { grantId: await grant.save() } });
}

const serve = provider.callback();
http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  try {
    if (pathname.startsWith('/admin/')) await admin(request, response, pathname);
    else if (pathname.startsWith('/interaction/')) await interact(request, response);
    else await serve(request, response);
  } catch (err) {
    response.writeHead(500);
    response.end(String(err));
  }
}).listen(port, '127.0.0.1');
