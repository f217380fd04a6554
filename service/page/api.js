// What the page asks of the service. The key goes in a header and nowhere else; without one, the browser sends the session
// of whoever has signed in at a provider, and the page's code never sees it.

/** What went wrong, as the service says it (RFC 9457), or as the browser does. */
export class Problem extends Error {
  constructor(kind, said = {}, retryAfter = undefined) {
    super(said.title ?? kind);
    this.kind = kind;
    this.title = said.title;
    this.detail = said.detail;
    this.status = said.status ?? 0;
    this.request = said.instance;
    this.retryAfter = said.retry_after_s ?? retryAfter;
  }

  static of(said, status, retryAfter) {
    const kind = String(said.type ?? "").split("/").pop() || "internal-error";
    return new Problem(kind, { status, ...said }, retryAfter);
  }
}

export class Service {
  constructor(key) {
    this.key = key;
  }

  /** Names of the providers that people can sign in at. */
  static async providers(signal) {
    return (await new Service(null).#json("sign-in/providers", { signal })).providers;
  }

  whoami(signal) {
    return this.#json("whoami", { signal });
  }

  /** Ends the session. Where the browser goes to sign out of the provider, too; null: nowhere. */
  async signOut() {
    return (await this.#json("sign-out", { method: "POST", body: "{}" })).address;
  }

  passage(id, signal) {
    return this.#json(`passages/${encodeURIComponent(id)}`, { signal });
  }

  document(id, start, length, signal) {
    return this.#json(`documents/${encodeURIComponent(id)}?start=${start}&length=${length}`, { signal });
  }

  /** What the caller may read, by path: one page of the list. */
  documents(limit, cursor, signal) {
    const after = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    return this.#json(`documents?limit=${limit}${after}`, { signal });
  }

  /** Models that may be asked, the default first; `owned_by` tells those that the service only quotes with. */
  async models(signal) {
    return (await this.#json("v1/models", { signal })).data;
  }

  /** The file that a document was made from, of exactly this version. */
  async original(id, version, inline, signal) {
    const asked = `version=${encodeURIComponent(version)}${inline ? "&inline=true" : ""}`;
    const reply = await this.#call(`documents/${encodeURIComponent(id)}/original?${asked}`, { signal });
    return reply.blob();
  }

  /** Says what one thinks of an answer; a second time replaces the first. */
  judge(answer, judgement) {
    return this.#json(`answers/${encodeURIComponent(answer)}/feedback`, { method: "POST", body: JSON.stringify(judgement) });
  }

  takeBack(answer) {
    return this.#call(`answers/${encodeURIComponent(answer)}/feedback`, { method: "DELETE" });
  }

  /** The events of an answer: pairs of name and payload; `done` is the last. Raises Problem. */
  async *ask(body, signal) {
    const reply = await this.#call("ask", { method: "POST", body: JSON.stringify({ ...body, stream: true }), signal });
    let finished = false;
    try {
      for await (const [name, payload] of events(reply.body)) {
        if (name === "error") throw Problem.of(payload, payload.status);
        finished ||= name === "done";
        yield [name, payload];
      }
    } catch (error) {
      throw error instanceof Problem || signal.aborted ? error : new Problem("broken-off");
    }
    if (!finished) throw new Problem("broken-off");
  }

  async #json(path, options) {
    const reply = await this.#call(path, options);
    return reply.json();
  }

  async #call(path, { signal, ...options } = {}) {
    let reply;
    try {
      const headers = { Accept: "application/json, text/event-stream" };
      if (this.key) headers.Authorization = `Bearer ${this.key}`;
      if (options.body) headers["Content-Type"] = "application/json";
      reply = await fetch(path, { ...options, headers, signal, cache: "no-store", redirect: "error" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("unreachable");
    }
    if (reply.ok) return reply;
    const said = await reply.json().catch(() => ({}));
    throw Problem.of(said, reply.status, Number(reply.headers.get("Retry-After")) || undefined);
  }
}

/** Server-sent events of a body, as pairs of name and what their data holds. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const event = parsed(frame);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(frame) {
  let name = "message";
  const data = [];
  for (const line of frame.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trim());
  }
  return data.length ? [name, JSON.parse(data.join("\n"))] : undefined; // comments keep the line open
}
