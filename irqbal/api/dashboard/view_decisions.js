// Decisions: what was decided, by whom, and why, by cycle.

import { CHOICES, CycleList, fromCycle } from "./decided.js";
import { csv, download, field, fill, h, measured, select } from "./dom.js";
import { FindingBox } from "./todo.js";

const SINCE = [["1h", "an hour"], ["6h", "6 hours"], ["24h", "a day"], ["7d", "a week"], ["30d", "30 days"], ["365d", "a year"]];
const DEFAULTS = { start: "24h" };
const MOST = 2000;
/** The findings that decisions of a kind are about. */
const ABOUT = { drift: ["writer", "possible-writer", "drift"], action: ["paused"], failure: ["no-plan"] };

export async function mount(root, context) {
  const { api, live, link, signal, url } = context;
  const filter = { search: url.get("search"), kind: url.get("kind"), policy: url.get("policy"), irq: url.get("irq"), start: url.get("start", DEFAULTS.start), end: url.get("end") };
  let rows = [];
  const list = new CycleList("Decisions by cycle, the newest first", link, { empty: "No decision matches. Choose a longer time, or remove a filter." });
  const shown = h("span", { class: "soft", role: "status" });
  // A page that was opened here has no status yet.
  const status = live.status ?? await api.get("/status", {}, signal).catch(() => null);
  const policies = new Set([...(status?.policies ?? []), ...(filter.policy ? [filter.policy] : []), "override"]);
  let timer = 0;
  const changed = (wait = 0) => {
    url.set(filter, { defaults: DEFAULTS });
    clearTimeout(timer);
    timer = setTimeout(fetchAll, wait);
  };
  const typed = (name, placeholder) => {
    const input = h("input", { type: "search", value: filter[name], placeholder, on: { input: () => {
      filter[name] = input.value.trim();
      changed(300);
    } } });
    return input;
  };
  const choose = (name, options) => select(options, filter[name], (value) => { filter[name] = value; changed(); });
  const known = SINCE.some(([value]) => value === filter.start) ? SINCE : [...SINCE, [filter.start, `since ${filter.start}`]];
  const trouble = h("div");
  const todo = new FindingBox(context);
  fill(root, h("h1", {}, "Decisions"), todo.root,
    h("div", { class: "controls" },
      field("Search", typed("search", "device, CPU, person, reason")), field("Kind", choose("kind", [["", "all kinds"], ...Object.entries(CHOICES)])),
      field("Policy", choose("policy", [["", "all policies"], ...[...policies].map((name) => [name, name])])),
      field("IRQ", typed("irq", "number or name")), field("The last", choose("start", known)),
      h("button", { type: "button", on: { click: save } }, "Download CSV")),
    h("p", {}, shown), trouble, h("section", { "aria-label": "Decisions" }, list.root));

  async function fetchAll() {
    try {
      [rows] = await Promise.all([api.get("/decisions", { ...filter, limit: MOST }, signal), todo.update(({ code }) => ABOUT[filter.kind]?.includes(code))]);
      fill(trouble);
    } catch (error) {
      if (signal.aborted) return;
      rows = [];
      fill(trouble, h("p", { class: "box bad", role: "alert" }, error.message));
    }
    draw();
  }

  function draw() {
    measured("decisions", () => list.set(rows));
    const cycles = `${list.groups.length.toLocaleString("en")} ${list.groups.length === 1 ? "cycle" : "cycles"}`;
    shown.textContent = rows.length === MOST ? `The newest ${MOST.toLocaleString("en")} are shown, of ${cycles}.` : `${rows.length.toLocaleString("en")} found, of ${cycles}.`;
  }

  function save() {
    const names = ["at", "cycle", "cause", "kind", "irq", "name", "identity", "from", "to", "policy", "who", "reason", "result", "done", "code"];
    download("irqbal-decisions.csv", csv([names, ...rows.map((row) => names.map((name) => row[name]))]));
  }

  await fetchAll();
  // The history stores decisions in batches, shortly after the cycle.
  let late = 0;
  live.onCycle((record) => {
    if (filter.end || (record && !fromCycle(record).length && !record.drifted.length)) return;
    clearTimeout(late);
    late = setTimeout(() => { if (!document.hidden) fetchAll(); }, 1500);
  }, signal);
  signal.addEventListener("abort", () => { clearTimeout(late); clearTimeout(timer); });
}
