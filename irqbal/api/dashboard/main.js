// The frame around the views: navigation, the daemon's state, pause, theme, token and host.

import { Api, away, errorBox } from "./api.js";
import { announce, fill, h, writeText, select, toast } from "./dom.js";
import { clock, seconds, span } from "./format.js";
import { Live } from "./live.js";
import { UrlState, href, parts, recall } from "./location.js";

// A view is fetched when it is opened: on a slow line Now must not wait for the others.
const VIEWS = Object.fromEntries(["now", "irq", "nics", "history", "decisions", "overrides", "policies", "plan", "whatif", "trials", "fleet"]
  .map((name) => [name, () => fetchView(name)]));
const TITLES = { now: "Now", irq: "IRQs", nics: "NICs", history: "History", decisions: "Decisions", overrides: "Overrides", policies: "Policies",
  plan: "Plan", whatif: "What if", trials: "Trials", fleet: "Fleet" };
const STATES = {
  starting: "starting", balancing: "balancing", paused: "paused", "dry run": "dry run: nothing is changed",
  "not balancing": "not balancing", unknown: "state unknown", silent: "silent: no data lately",
};

/** How often a view's module could not be fetched: a browser does not fetch the same address again after a failure. */
const failed = new Map();
async function fetchView(name) {
  const again = failed.get(name) ?? 0;
  try {
    return await import(`./view_${name}.js${again ? `?again=${again}` : ""}`);
  } catch (error) {
    failed.set(name, again + 1);
    throw error instanceof TypeError ? away() : error;
  }
}

const at = (id) => document.getElementById(id);
const api = new Api(() => { drawToken(); drawState(); });
const live = new Live(api, () => drawState());
/** Whether the server knows several hosts. */
let many = false;
/** The host that was shown before the fleet: the navigation leads back to it. */
let lastHost = null;
let choice = null;
/** The list of hosts, fetched at the start, for the first view that shows it. */
let listed = null;
let shown = null;

/** The view that the URL names; "" without a name is Now, or on a server of many hosts the fleet. */
function route() {
  const { view, argument, query } = parts();
  return { view: view || (many && !query.get("host") ? "fleet" : "now"), argument, query };
}

/** The link to a view, such as `#/irq/24`, for the selected host. */
export function link(path, query = {}) {
  return href(path, { ...query, host: api.host });
}

/** The page for a name that no view has. */
const missing = {
  mount(root, { argument }) {
    fill(root, h("h1", {}, "There is no such page"),
      h("p", { class: "box", role: "status" }, `irqbal's dashboard has no page “${argument}”. These are its pages:`),
      h("ul", {}, Object.keys(VIEWS).filter((name) => name !== "fleet" || many).map((name) => h("li", {}, h("a", { href: link(name) }, TITLES[name])))));
  },
};

/** Connect to the selected host's events. There are none for all hosts together: the fleet view polls. */
function listen() {
  if (many && !api.host) live.disconnect();
  else live.start();
}

async function show(focus = true) {
  const { view, argument, query } = route();
  const known = Object.hasOwn(VIEWS, view);
  const host = query.get("host");
  if (many && !host && known && view !== "fleet") {
    globalThis.history.replaceState(null, "", "#/fleet");
    show(focus);
    return;
  }
  if (host !== api.host) {
    api.host = host;
    listen();
  }
  lastHost = host ?? lastHost;
  if (choice && host) choice.value = host;
  shown?.abort();
  const control = new AbortController();
  shown = control;
  drawNav(view);
  const root = h("div", { class: `view ${view}` });
  fill(at("main"), root);
  const context = { api, live, link, argument: known ? argument : view, url: new UrlState(view, argument, query), listed, signal: control.signal,
    every: (work, gap) => every(work, gap, control.signal, root) };
  listed = null;
  try {
    const { mount } = known ? await VIEWS[view]() : missing;
    if (control.signal.aborted) return;
    await mount(root, context);
  } catch (error) {
    if (control.signal.aborted) return;
    const passing = error.status === 503 || error.status === 0;
    fill(root, h("h1", {}, TITLES[view] ?? view), passing ? h("p", { class: "box", role: "status" }, error.message) : errorBox(error));
    // Retry with the next cycle, or soon if the daemon is starting.
    const again = () => { if (shown === control) show(false); };
    live.onCycle(again, control.signal);
    if (passing) setTimeout(again, 2500);
  }
  if (control.signal.aborted) return;
  const heading = root.querySelector("h1");
  document.title = `${heading?.textContent ?? TITLES[view] ?? view} – irqbal${live.status ? ` on ${live.status.host}` : ""}`;
  if (focus && heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  root.dataset.ready = "yes";
  performance.mark("irqbal:ready");
}

/** Run `work` now and after each cycle: one at a time, at most every `gap()` ms, and not while the page is hidden. */
async function every(work, gap, signal, root) {
  let busy = false;
  let last = 0;
  let late = 0;
  const trouble = h("div", { class: "trouble" });
  const run = async (first = false) => {
    if (busy || signal.aborted) return;
    const wait = (typeof gap === "function" ? gap() : gap) - (performance.now() - last);
    if (!first && (document.hidden || wait > 30)) {
      clearTimeout(late);
      if (!document.hidden) late = setTimeout(run, wait);
      return;
    }
    busy = true;
    last = performance.now();
    try {
      await work();
      trouble.replaceChildren();
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      if (first) throw error;
      if (error.status !== 0) fill(trouble, errorBox(error));
    } finally {
      busy = false;
    }
  };
  signal.addEventListener("abort", () => clearTimeout(late));
  document.addEventListener("visibilitychange", () => run(), { signal });
  await run(true);
  root.prepend(trouble);
  live.onCycle(() => run(), signal);
  return run;
}

function drawNav(view) {
  // A central server has no trials: they are on the hosts themselves.
  const names = Object.keys(VIEWS).filter((name) => (many ? name !== "trials" : name !== "fleet") && name !== "plan");
  fill(at("nav"), names.map((name) => h("a", { href: href(name, { ...recall(name), host: name === "fleet" ? null : api.host ?? lastHost }), "aria-current": name === view && "page" }, TITLES[name])));
}

function drawState() {
  const { status, state } = live;
  at("live").dataset.state = state === "live" && status?.paused ? "paused" : state;
  const word = status ? STATES[status.state] ?? status.state : "";
  writeText(at("live"), { live: word || "live", connecting: "connecting…", away: "no connection", refused: "no access", idle: "all hosts" }[state]);
  at("live").title = status?.last ? `last cycle at ${clock(status.last.at)}` : "";
  const box = at("banner");
  if (state === "away") {
    const since = live.lost ? ` since ${clock(live.lost)}` : "";
    banner(box, `away ${since}`, `The daemon does not answer${since}. This is its last state; the page retries.`);
  } else if (state === "refused") {
    banner(box, "refused", live.error?.message ?? "A token is needed to read.",
      h("button", { type: "button", on: { click: enterToken } }, "Enter a token"));
  } else if (status?.trial) {
    banner(box, `paused ${status.trial}`, "A trial runs: balancing is paused, and the masks are by turns those of its two sides.", h("a", { href: link("trials", { id: status.trial }) }, "The trial"));
  } else if (status?.paused) {
    const until = status.paused_until ? ` until ${clock(status.paused_until)}` : " until resumed";
    banner(box, `paused ${until}`, `Paused${until}: irqbal measures and plans, and writes nothing but overrides.`,
      h("button", { type: "button", on: { click: resume } }, "Resume"));
  } else if (status?.aside?.length) {
    banner(box, `aside ${JSON.stringify(status.aside)}`, status.aside.map(failedPolicy).join(" "), h("a", { href: link("policies") }, "Policies"));
  } else if (api.token && api.stale) {
    banner(box, "stale", "The server no longer accepts your token: it expired or was revoked. You read without it; changes need another one.",
      h("button", { type: "button", on: { click: enterToken } }, "Enter another"), h("button", { type: "button", on: { click: forget } }, "Forget it"));
  } else banner(box, "");
  const button = at("pause");
  // A central server cannot change anything on a host.
  button.hidden = !status || status.central === true || Boolean(status.trial);
  writeText(button, status?.paused ? "Resume" : "Pause…");
  if (status) {
    writeText(at("about"), `irqbal ${status.version}, API ${status.api} · a cycle every ${status.interval} · policies: ${status.policies.join(", ")}${status.simulated ? ` · a simulated host: ${status.simulated}` : ""}`);
    if (!many) writeText(at("host"), status.host);
  }
}

/** A policy that failed, in a sentence. */
function failedPolicy({ policy, again, reason }) {
  const until = again ? `until it is tried again at ${clock(again)}` : "until the next reload";
  return `The policy ${policy} failed and is skipped ${until}: ${reason}.`;
}

function banner(box, key, text = "", ...more) {
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.className = key.split(" ")[0];
  fill(box, text && h("p", {}, text), more);
}

async function refreshStatus() {
  try {
    await live.refresh(shown?.signal);
  } catch {
    // The event stream reports the error.
  }
}

async function resume() {
  await act(() => api.send("POST", "/resume"), "irqbal balances again.");
}

async function act(work, done) {
  try {
    live.status = await work();
    toast(done);
  } catch (error) {
    toast(error.message);
  }
  drawState();
}

function askPause() {
  if (live.status?.paused) {
    resume();
    return;
  }
  const length = select([["10m", "for 10 minutes"], ["1h", "for an hour"], ["8h", "for 8 hours"], ["", "until resumed"]], "10m", () => {});
  length.id = "pause-length";
  const dialog = h("dialog", { "aria-labelledby": "pause-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "pause-title" }, "Pause irqbal"),
      h("p", {}, "irqbal goes on measuring and planning, and writes nothing but overrides that people set. Masks that it has written stay."),
      h("label", { for: "pause-length" }, "How long"), length,
      h("div", { class: "buttons" },
        h("button", { value: "yes", class: "main" }, "Pause"), h("button", { value: "" }, "Cancel"))));
  dialog.addEventListener("close", () => {
    const chosen = dialog.returnValue === "yes";
    dialog.remove();
    if (chosen) act(() => api.send("POST", "/pause", { body: { for: length.value || null } }), "irqbal is paused.");
  });
  document.body.append(dialog);
  dialog.showModal();
}

async function enterToken() {
  if (await api.ask(api.token ? "enter another token, or cancel to keep the present one" : "a token lets you set overrides, plan and pause", api.token)) {
    listen();
    show(false);
  }
}

/** Forget the token, in all tabs, and read on without it where the server allows that. */
function forget() {
  api.token = "";
  toast("The token is forgotten in all tabs.");
  listen();
  show(false);
}

/** The token's button: it asks for one, or opens a small menu. */
function askToken() {
  if (!api.token) {
    enterToken();
    return;
  }
  const dialog = h("dialog", { "aria-labelledby": "kept-title" }, h("form", { method: "dialog" },
    h("h2", { id: "kept-title" }, "Your token"),
    h("p", {}, api.stale ? "The server no longer accepts it: you read without it." : "This browser's tabs use it for every request."),
    h("div", { class: "buttons" }, h("button", { value: "forget" }, "Forget the token"), h("button", { value: "another" }, "Enter another"), h("button", { value: "" }, "Close"))));
  dialog.addEventListener("close", () => {
    const chosen = dialog.returnValue;
    dialog.remove();
    if (chosen === "forget") forget();
    if (chosen === "another") enterToken();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function drawToken() {
  writeText(at("token"), api.token ? (api.stale ? "Token: not accepted" : "Token: set") : "Token");
}

const THEMES = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
function drawTheme(turn = false) {
  const names = Object.keys(THEMES);
  let chosen = document.documentElement.dataset.theme ?? "auto";
  if (turn) {
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    if (chosen === "auto") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("irqbal.theme");
    } else {
      document.documentElement.dataset.theme = chosen;
      localStorage.setItem("irqbal.theme", chosen);
    }
    announce(THEMES[chosen]);
    dispatchEvent(new Event("irqbal-theme"));
  }
  fill(at("theme"), h("span", { "aria-hidden": "true" }, { auto: "◐", light: "☀", dark: "☾" }[chosen]), h("span", { class: "word" }, ` ${THEMES[chosen]}`));
  at("theme").setAttribute("aria-label", THEMES[chosen]);
}

/** Fetch the hosts that this server knows. With several, all views but the fleet need a selected one. */
async function findHosts() {
  let hosts;
  try {
    hosts = await api.get("/hosts");
  } catch {
    return;
  }
  many = hosts.length > 1;
  if (!many) return;
  choice = h("input", { type: "search", id: "host-choice", list: "host-names", "aria-label": "Host", autocomplete: "off", spellcheck: "false",
    placeholder: `one of ${hosts.length.toLocaleString("en")} hosts`, value: api.host ?? "" });
  listed = hosts;
  const names = new Set(hosts.map(({ host }) => host));
  const known = h("datalist", { id: "host-names" });
  choice.addEventListener("focus", () => fill(known, hosts.map(({ host }) => h("option", { value: host }))), { once: true });
  choice.addEventListener("change", () => {
    if (!names.has(choice.value)) return;
    const { view } = route();
    location.hash = href(view === "fleet" ? "now" : view, { host: choice.value });
  });
  fill(at("host"), choice, known);
  drawNav(route().view);
}

at("pause").addEventListener("click", askPause);
at("token").addEventListener("click", askToken);
at("theme").addEventListener("click", () => drawTheme(true));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("irqbal-theme")));
addEventListener("hashchange", () => show());
addEventListener("pagehide", () => live.stop());
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
setInterval(drawAge, 1000);

let checked = 0;
function drawAge() {
  if (live.state !== "live" || !live.status?.last) return;
  const late = (Date.now() - live.heard) / 1000;
  const usual = seconds(live.status.interval);
  if (late > 3 * usual + 5) writeText(at("live"), `no cycle for ${span(late)}`);
  // Other clients may pause irqbal or set overrides.
  if (Date.now() - checked > 5000 && !document.hidden) {
    checked = Date.now();
    refreshStatus();
  }
}

drawTheme();
drawToken();
api.host = route().query.get("host");
if (document.documentElement.dataset.hosts === "one") {
  listen();
  show(false);
} else if (api.host) {
  live.start();
  show(false);
  findHosts();
} else {
  findHosts().then(() => {
    listen();
    show(false);
  });
}
