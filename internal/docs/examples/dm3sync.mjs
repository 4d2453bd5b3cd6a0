// A messenger's start with dm3sync: one file without dependencies, for browsers and Node 20 or later.
//
//   import { Agent } from "./dm3sync.mjs";
//   const agent = new Agent("http://127.0.0.1:4810", token); // `dm3sync token` prints it
//   for await (const conversation of agent.conversations("alice.eth")) …
//
// A page of another origin needs to be on the list under [interface] in the configuration. Keep the token out of
// addresses and logs: it opens everything. interface.md describes all operations.

/** What the agent answered in place of what was asked; kind is a word as in "no-account". */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || `the agent answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.kind = (document.type || "").replace("urn:dm3sync:problem:", "");
    this.document = document;
  }
}

export class Agent {
  #base;
  #token;

  /** address as in http://127.0.0.1:4810; the token may be left out on a page that the agent itself serves. */
  constructor(address, token = "") {
    this.#base = address.replace(/\/+$/, "") + "/v1";
    this.#token = token;
  }

  /** All accounts with their state. */
  async accounts() {
    return (await this.#json("GET", ["accounts"])).accounts;
  }

  /** Goes through the conversations; options: filter, order ("name" or "recent"), hidden ("leave-out", "include", "only"). */
  async *conversations(account, options = {}) {
    let cursor = "";
    do {
      const page = await this.#json("GET", ["accounts", account, "conversations"], { ...options, cursor });
      yield* page.conversations;
      cursor = page.more || "";
    } while (cursor);
  }

  /** One page of messages, oldest first; options: before, after, around, from, to, order, limit, local. */
  page(account, contact, options = {}) {
    return this.#json("GET", ["accounts", account, "conversations", contact, "messages"], options);
  }

  /** Goes backwards through a conversation, from the newest message to the first. */
  async *backwards(account, contact, options = {}) {
    let before = "";
    do {
      const page = await this.page(account, contact, { ...options, before });
      yield* page.messages.reverse();
      before = page.older || "";
    } while (before);
  }

  /**
   * Appends envelopes: durable when it returns. Trying again after an error is harmless; with the same key, the answer is
   * the same, too.
   */
  async append(account, envelopes, key = crypto.randomUUID()) {
    const lines = envelopes.map((envelope) => JSON.stringify(envelope) + "\n").join("");
    const headers = { "Content-Type": "application/x-ndjson", "Idempotency-Key": key };
    return (await this.#ask("POST", ["accounts", account, "messages"], {}, lines, headers)).json();
  }

  /** Searches what is on this device. */
  search(account, text, options = {}) {
    const body = JSON.stringify({ text, ...options });
    return this.#ask("POST", ["accounts", account, "search"], {}, body, { "Content-Type": "application/json" }).then((r) => r.json());
  }

  /**
   * Tells what happens in an account, connecting again where needed, until the signal aborts. An event has id, kind and
   * data; kind "ready" says that the feed stands, "missed" that you should ask for what you show once more.
   * EventSource can't send a token, so this reads the stream itself.
   */
  async *events(account, { after = "", signal, wait = 1000 } = {}) {
    for (let pause = wait; !signal?.aborted; pause = Math.min(2 * pause, 30000)) {
      try {
        const headers = { Accept: "text/event-stream", ...(after && { "Last-Event-ID": after }) };
        const response = await this.#ask("GET", ["accounts", account, "events"], {}, undefined, headers, signal);
        for await (const event of parseEvents(response.body)) {
          after = event.id;
          pause = wait;
          yield event;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #json(method, path, query) {
    return (await this.#ask(method, path, query)).json();
  }

  async #ask(method, path, query = {}, body = undefined, headers = {}, signal = undefined) {
    const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined));
    const address = [this.#base, ...path.map(encodeURIComponent)].join("/") + (words.size ? `?${words}` : "");
    const authorization = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const response = await fetch(address, { method, body, signal, headers: { ...headers, ...authorization } });
    if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
    return response;
  }
}

/** Reads server-sent events as the agent writes them. */
async function* parseEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const fields = {};
        for (const line of text.slice(0, end).split("\n")) {
          const colon = line.indexOf(": ");
          if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
        }
        text = text.slice(end + 2);
        if (fields.event) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
