// Decisions: a searchable list of what was decided, by whom, and why.

import { KINDS, decisionTable, fromCycle } from "./decided.js";
import { csv, download, field, fill, h, measured, select } from "./dom.js";

const SINCE = [["1h", "an hour"], ["6h", "6 hours"], ["24h", "a day"], ["7d", "a week"], ["30d", "30 days"], ["365d", "a year"]];

export async function mount(root, context) {
  const { api, live, link, signal } = context;
  const get = (name, or = "") => context.query.get(name) ?? or;
  const filter = { search: get("search"), kind: get("kind"), policy: get("policy"), irq: get("irq"), start: get("start", "24h") };
  let rows = [];
  const table = decisionTable("Decisions, newest first", link, { page: 100, empty: "No decision matches. Choose a longer time, or remove a filter." });
  const shown = h("span", { class: "soft", role: "status" });
  const policies = new Set([...(live.status?.policies ?? []), ...(filter.policy ? [filter.policy] : []), "override"]);
  let timer = 0;
  const typed = (name, placeholder) => {
    const input = h("input", { type: "search", value: filter[name], placeholder, on: { input: () => {
      filter[name] = input.value.trim();
      clearTimeout(timer);
      timer = setTimeout(fetchAll, 300);
    } } });
    return input;
  };
  const choose = (name, options) => select(options, filter[name], (value) => { filter[name] = value; fetchAll(); });
  const trouble = h("div");
  fill(root, h("h1", {}, "Decisions"),
    h("div", { class: "controls" },
      field("Search", typed("search", "device, CPU, person, reason")), field("Kind", choose("kind", [["", "all kinds"], ...Object.entries(KINDS)])),
      field("Policy", choose("policy", [["", "all policies"], ...[...policies].map((name) => [name, name])])),
      field("IRQ", typed("irq", "number or name")), field("The last", choose("start", SINCE)),
      h("button", { type: "button", on: { click: save } }, "Download CSV")),
    h("p", {}, shown), trouble, h("section", { "aria-label": "Decisions" }, table.root));

  async function fetchAll() {
    const words = new URLSearchParams(Object.entries(filter).filter(([name, value]) => value && !(name === "start" && value === "24h")));
    globalThis.history.replaceState(null, "", link("decisions", Object.fromEntries(words)));
    try {
      rows = await api.get("/decisions", { ...filter, limit: 2000 }, signal);
      fill(trouble);
    } catch (error) {
      if (signal.aborted) return;
      rows = [];
      fill(trouble, h("p", { class: "box bad", role: "alert" }, error.message));
    }
    draw();
  }

  function draw() {
    shown.textContent = rows.length === 2000 ? "The newest 2,000 are shown." : `${rows.length.toLocaleString("en")} found.`;
    measured("decisions", () => table.set(rows));
  }

  function save() {
    const names = ["at", "cycle", "kind", "irq", "name", "identity", "from", "to", "policy", "who", "reason", "result", "code"];
    download("irqbal-decisions.csv", csv([names, ...rows.map((row) => names.map((name) => row[name]))]));
  }

  await fetchAll();
  // The history stores decisions in batches, shortly after the cycle.
  let late = 0;
  live.onCycle((record) => {
    if (record && !fromCycle(record).length && !record.drifted.length) return;
    clearTimeout(late);
    late = setTimeout(() => { if (!document.hidden) fetchAll(); }, 1500);
  }, signal);
  signal.addEventListener("abort", () => { clearTimeout(late); clearTimeout(timer); });
}
