// The public API: the same paths, tokens and errors as for anybody else.

import { fill, h, measured } from "./dom.js";

const KEY = "irqbal.token";

/** What the API, or the network, refused; `message` is a sentence. */
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
    this.asking = null;
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

  /** The answer's JSON. Asks for a token on a 401, once; `quiet` callers go without. Throws Refused. */
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
      throw new Refused(0, { code: "away", message: "The daemon does not answer. It may be restarting; this page tries again by itself." });
    }
  }

  /** Ask the person for a token; one dialog, however many requests wait for it. Whether there is a new one. */
  ask(why, sent = "") {
    this.asking ??= tokenDialog(why, sent !== "").then((token) => {
      this.asking = null;
      if (token === null) {
        this.declined = true;
        return false;
      }
      this.token = token;
      return true;
    });
    return this.asking;
  }
}

function problem(status, text) {
  try {
    const { error } = JSON.parse(text);
    if (error?.message) return new Refused(status, error);
  } catch {
    // Not the API: a proxy, perhaps.
  }
  return new Refused(status, { code: "error", message: `The server answered ${status}, and nothing that this page understands.` });
}

function tokenDialog(why, wasWrong) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token-field", autocomplete: "off", spellcheck: "false", required: true });
    const dialog = h("dialog", { "aria-labelledby": "token-title" });
    const form = h("form", { on: { submit: (event) => { event.preventDefault(); dialog.close("yes"); } } },
      h("h2", { id: "token-title" }, wasWrong ? "Another token is needed" : "A token is needed"),
      h("p", {}, `irqbal says: ${why}`),
      h("label", { for: "token-field" }, "Token"), input,
      h("p", { class: "soft" }, "It is kept in this tab, and gone when the tab is closed."),
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

/** An error in words, with what the API lists besides. */
export function errorBox(error) {
  const more = [...(error.problems ?? []), ...(error.candidates ?? [])];
  return h("div", { class: "box bad", role: "alert" }, h("p", {}, error.message || String(error)),
    more.length > 0 && h("ul", {}, more.map((line) => h("li", {}, line))));
}
