// The public API: the dashboard uses the same paths, tokens and errors as every client.

import { fill, h, measured } from "./dom.js";

const KEY = "irqbal.token";

/** An error of the API, or of the network (status 0); `message` is a sentence. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.message);
    this.status = status;
    this.code = problem.code;
    this.candidates = problem.candidates ?? [];
    this.problems = problem.problems ?? [];
  }
}

/** The error while nobody answers. */
export const away = () => new Refused(0, { code: "away", message: "The daemon does not answer. It may be restarting; this page retries." });

export class Api {
  /** `changed()`: called when the token was entered, forgotten or found to be stale. */
  constructor(changed = () => {}) {
    this.changed = changed;
    this.host = null;
    this.dialog = null;
    this.declined = false;
    /** Whether the server no longer accepts the token, so that reads go without it. */
    this.stale = false;
    // The tabs of a browser share one token without writing it to the disk.
    this.tabs = new BroadcastChannel(KEY);
    this.waiting = new Set();
    this.tabs.addEventListener("message", ({ data }) => this.hear(data));
  }

  get token() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  /** Use this token from now on, in all tabs; an empty one forgets it. */
  set token(text) {
    this.adopt(text);
    this.tabs.postMessage({ kind: text ? "token" : "forget", token: text });
  }

  adopt(text) {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
    this.declined = this.stale = false;
    this.changed();
  }

  /** A message of another tab: it asks for the token, has one, or forgot it. */
  hear({ kind, token }) {
    if (kind === "ask" && this.token && !this.stale) this.tabs.postMessage({ kind: "token", token: this.token });
    else if (kind === "forget") this.adopt("");
    else if (kind === "token" && token !== this.token) {
      this.adopt(token);
      for (const heard of [...this.waiting]) heard(token);
    }
  }

  /** The token of another tab; empty if none answers at once. */
  fromTabs() {
    return new Promise((resolve) => {
      const done = (token) => { this.waiting.delete(done); clearTimeout(timer); resolve(token); };
      const timer = setTimeout(() => done(""), 150);
      this.waiting.add(done);
      this.tabs.postMessage({ kind: "ask" });
    });
  }

  url(path, query = {}) {
    const prefix = this.host && path !== "/hosts" && !path.startsWith("/fleet/") ? `/api/v1/hosts/${encodeURIComponent(this.host)}` : "/api/v1";
    const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined));
    return prefix + path + (words.size ? `?${words}` : "");
  }

  get(path, query, signal) {
    return this.send("GET", path, { query, signal });
  }

  /** The answer's JSON. On a 401 it opens the token dialog, for reads only until the person cancels it once. Throws Refused. */
  async send(method, path, { query, body, signal } = {}) {
    for (let tries = 0; ; tries++) {
      const sent = this.token;
      const response = await this.fetch(method, path, { query, body, signal });
      const text = await response.text();
      if (response.ok) return measured(`parse ${path}`, () => (text ? JSON.parse(text) : null));
      const refused = problem(response.status, text);
      const again = response.status === 401 && tries < 5 && (method !== "GET" || !this.declined);
      if (!again || (this.token === sent && !(await this.ask(refused.message, sent)))) throw refused;
    }
  }

  /** The response. A read whose token is refused is tried without it: most servers let everybody on the host read. */
  async fetch(method, path, { query, body, signal } = {}) {
    const read = method === "GET";
    const token = read && this.stale ? "" : this.token;
    const response = await this.request(method, path, token, { query, body, signal });
    if (response.status !== 401 || !read || !token) return response;
    const bare = await this.request(method, path, "", { query, body, signal });
    if (bare.ok && token === this.token) {
      this.stale = true;
      this.changed();
    }
    return bare.ok ? bare : response;
  }

  async request(method, path, token, { query, body, signal }) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await fetch(this.url(path, query), { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw away();
    }
  }

  /** Ask for a token, once for all requests that wait and for all tabs; true if there is one now. */
  ask(why, sent = "") {
    this.dialog ??= this.askOnce(why, sent).finally(() => { this.dialog = null; });
    return this.dialog;
  }

  async askOnce(why, sent) {
    if (!sent && await this.fromTabs()) return true;
    const asked = new AbortController();
    const elsewhere = () => asked.abort();
    this.waiting.add(elsewhere);
    const token = await tokenDialog(why, sent !== "", asked.signal);
    this.waiting.delete(elsewhere);
    if (asked.signal.aborted) return true;
    if (token === null) {
      this.declined = true;
      return false;
    }
    this.token = token;
    return true;
  }
}

function problem(status, text) {
  try {
    const { error } = JSON.parse(text);
    if (error?.message) return new Refused(status, error);
  } catch {
    // The answer is not JSON: it may be a proxy's.
  }
  return new Refused(status, { code: "error", message: `The server answered with status ${status} and no message that this page can read.` });
}

/** The token that a person enters; null if the dialog is cancelled, or closed because another tab has one (`elsewhere`). */
function tokenDialog(why, wasWrong, elsewhere) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token-field", autocomplete: "off", spellcheck: "false", required: true });
    const dialog = h("dialog", { "aria-labelledby": "token-title" });
    const form = h("form", { on: { submit: (event) => { event.preventDefault(); dialog.close("yes"); } } },
      h("h2", { id: "token-title" }, wasWrong ? "Another token is needed" : "A token is needed"),
      h("p", {}, `irqbal answered: ${why}`),
      h("label", { for: "token-field" }, "Token"), input,
      h("p", { class: "soft" }, "The tabs of this browser remember it until the last one is closed. `irqbal token add NAME` on the host makes one."),
      h("div", { class: "buttons" },
        h("button", { type: "submit", class: "main" }, "Use this token"),
        h("button", { type: "button", on: { click: () => dialog.close("") } }, "Cancel")));
    fill(dialog, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
    });
    elsewhere.addEventListener("abort", () => dialog.close(""));
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** An error's message, with the candidates or problems that it lists. */
export function errorBox(error) {
  const more = [...(error.problems ?? []), ...(error.candidates ?? [])];
  return h("div", { class: "box bad", role: "alert" }, h("p", {}, error.message || String(error)),
    more.length > 0 && h("ul", {}, more.map((line) => h("li", {}, line))));
}
