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

export class Api {
  constructor() {
    this.host = null;
    this.dialog = null;
    this.declined = false;
  }

  get token() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  set token(text) {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
    this.declined = false;
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

  async fetch(method, path, { query, body, signal } = {}) {
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await fetch(this.url(path, query), { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, { code: "away", message: "The daemon does not answer. It may be restarting; this page retries." });
    }
  }

  /** Open the token dialog, once for all requests that wait; true if a token was entered. */
  ask(why, sent = "") {
    this.dialog ??= tokenDialog(why, sent !== "").then((token) => {
      this.dialog = null;
      if (token === null) {
        this.declined = true;
        return false;
      }
      this.token = token;
      return true;
    });
    return this.dialog;
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

function tokenDialog(why, wasWrong) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token-field", autocomplete: "off", spellcheck: "false", required: true });
    const dialog = h("dialog", { "aria-labelledby": "token-title" });
    const form = h("form", { on: { submit: (event) => { event.preventDefault(); dialog.close("yes"); } } },
      h("h2", { id: "token-title" }, wasWrong ? "Another token is needed" : "A token is needed"),
      h("p", {}, `irqbal answered: ${why}`),
      h("label", { for: "token-field" }, "Token"), input,
      h("p", { class: "soft" }, "This tab remembers it until it is closed."),
      h("div", { class: "buttons" },
        h("button", { type: "submit", class: "main" }, "Use this token"),
        h("button", { type: "button", on: { click: () => dialog.close("") } }, "Cancel")));
    fill(dialog, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
    });
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
