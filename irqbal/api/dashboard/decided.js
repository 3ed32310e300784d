// Decisions: as a table, and as a list of cycles that unfold.

import { fill, h } from "./dom.js";
import { clock, plural } from "./format.js";
import { Table } from "./table.js";

export const KINDS = {
  move: "moved", steering: "set", default: "default mask set", refusal: "refused", drift: "drift", failure: "failure",
  override: "override", action: "by a person",
};

/** The same as a choice of what to list. */
export const CHOICES = { move: "moves", steering: "settings", default: "default masks", refusal: "refusals", drift: "drift", failure: "failures", override: "overrides",
  action: "actions of people" };

/** The decisions of a cycle that the history has not stored yet. */
export function fromCycle(record) {
  const base = { at: record.at, cycle: record.cycle, who: "", code: "", result: "", from: "", to: "", irq: null, name: "", identity: "", policy: "", reason: "" };
  return [
    ...record.moves.map((move) => ({ ...base, ...move, kind: "move" })),
    ...record.steering.map((item) => ({ ...base, ...item, kind: "steering", name: `${item.setting} of ${item.interface} queue ${item.queue}` })),
    ...record.refused.map((item) => ({ ...base, ...item, kind: "refusal" })),
    ...record.failures.map((item) => ({ ...base, ...item, kind: "failure" })),
  ];
}

export function what(row) {
  if (row.name) return row.irq === null || row.irq === undefined ? row.name : `${row.irq} ${row.name}`;
  const steering = /^(xps|rps|flows):(.+)\/(\d+)$/.exec(row.identity);
  if (steering) return `${steering[1] === "flows" ? "RFS" : steering[1].toUpperCase()} of ${steering[2]} queue ${steering[3]}`;
  return row.irq ?? row.identity ?? "";
}

const NOT_TAKEN = ["refused", "gone", "unsaved", "differs"];
/** Whether something went wrong, or was not done although it was to be. */
export const isBad = (row) => NOT_TAKEN.includes(row.result) || ["failure", "refusal", "drift"].includes(row.kind) || (row.done === false && row.result !== "dry run");
/** What was decided in a word or two; what a dry run did not do is not told as done. */
export function verb(row) {
  if (row.result === "dry run") return row.kind === "move" ? "would move" : "would set";
  return row.kind === "move" && row.done === false ? "not moved" : KINDS[row.kind] ?? row.kind;
}
/** The worst first: failures, what was refused or changed by others, then the rest. */
const RANKS = { failure: 0, drift: 1, refusal: 2, override: 3, action: 3, move: 4, steering: 5, default: 6 };
const rank = (row) => (isBad(row) && RANKS[row.kind] > 2 ? 2.5 : RANKS[row.kind] ?? 7);

/** Decisions grouped by the cycle that made them, in the order of the rows: [{at, title, rows, bad}]. */
export function byCycle(rows) {
  const groups = new Map();
  // What a person asked for is recorded a moment after the cycle that did it. Numbers of cycles return after a restart.
  let [last, key] = [null, ""];
  for (const row of rows) {
    const same = last && last.cycle === row.cycle && Math.abs(Date.parse(last.at) - Date.parse(row.at)) < 10_000;
    if (!same) key = `${row.at} ${row.cycle}`;
    last = row;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups].map(([key, mine]) => {
    mine.sort((a, b) => rank(a) - rank(b) || (a.irq ?? -1) - (b.irq ?? -1)
      || String(a.identity).localeCompare(String(b.identity), "en", { numeric: true }));
    return { key, at: mine[0].at, title: `${clock(mine[0].at)} ${mine.find(({ cause }) => cause)?.cause ?? "cycle"}: ${summary(mine)}`, rows: mine, bad: mine.some(isBad) };
  });
}

/** What a cycle decided: "2 failures, 32 moves, 32 settings". */
function summary(rows) {
  const dry = rows.some((row) => row.result === "dry run");
  const number = (test) => rows.filter(test).length;
  const parts = [
    [number((row) => row.kind === "failure"), "failure"], [number((row) => row.kind === "drift"), "mask changed by others", "masks changed by others"],
    [number((row) => row.kind === "refusal"), "refusal"], [number((row) => ["move", "steering", "default"].includes(row.kind) && isBad(row)), "change not taken", "changes not taken"],
    [number((row) => row.kind === "override"), "override"], [number((row) => row.kind === "action"), "action by a person", "actions by a person"],
    [number((row) => row.kind === "move" && !isBad(row)), "move"], [number((row) => ["steering", "default"].includes(row.kind) && !isBad(row)), "setting"],
  ];
  return parts.filter(([count]) => count).map((part) => plural(...part)).join(", ") + (dry ? " that would be made" : "");
}

/** Cycles with their decisions, each of which unfolds. Those that are open stay open when the list is set again. */
export class CycleList {
  constructor(label, link, { page = 50, empty = "Nothing was decided." } = {}) {
    Object.assign(this, { link, page, empty, shown: page, open: new Set(), drawn: new Map(), groups: [] });
    this.list = h("div", { class: "cycles", role: "list", "aria-label": label, hidden: true });
    this.note = h("p", { class: "soft" });
    this.more = h("button", { type: "button", hidden: true, on: { click: () => { this.shown += page; this.draw(); } } });
    this.root = h("div", {}, this.list, this.note, this.more);
  }

  set(rows) {
    this.groups = byCycle(rows);
    // A single cycle needs no click.
    if (this.groups.length === 1) this.open.add(this.groups[0].key);
    this.draw();
  }

  /** Unfold the cycle of this moment, and show it. */
  reveal(key) {
    this.open.add(key);
    const index = this.groups.findIndex((group) => group.key === key);
    this.shown = Math.max(this.shown, index + 1);
    this.drawn.delete(key);
    this.draw();
    const node = this.drawn.get(key)?.node;
    node?.scrollIntoView({ block: "center" });
    node?.querySelector("summary").focus({ preventScroll: true });
  }

  draw() {
    const groups = this.groups.slice(0, this.shown);
    const drawn = new Map();
    for (const group of groups) {
      const old = this.drawn.get(group.key);
      drawn.set(group.key, old && old.size === group.rows.length ? old : { node: this.line(group), size: group.rows.length });
    }
    this.drawn = drawn;
    const nodes = [...drawn.values()].map(({ node }) => node);
    const focused = document.activeElement;
    if (nodes.length !== this.list.children.length || nodes.some((node, index) => this.list.children[index] !== node)) this.list.replaceChildren(...nodes);
    if (focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
    this.list.hidden = !this.groups.length;
    this.note.textContent = this.groups.length ? "" : this.empty;
    this.more.hidden = this.groups.length <= this.shown;
    this.more.textContent = `Show more (${groups.length} of ${plural(this.groups.length, "cycle")} shown)`;
  }

  line(group) {
    const inner = h("div", {});
    const build = () => {
      if (inner.firstChild) return;
      const table = decisionTable(group.title, this.link, { page: 50, oneLine: true });
      table.set(group.rows);
      fill(inner, table.root);
    };
    const open = this.open.has(group.key);
    if (open) build();
    const node = h("details", { open, data: { cycle: group.key } }, h("summary", {}, group.bad && h("span", { class: "warn", "aria-hidden": "true" }, "▲ "),
      h("span", { class: group.bad ? "warn" : "" }, group.title)), inner);
    node.addEventListener("toggle", () => {
      if (node.open) {
        this.open.add(group.key);
        build();
      } else this.open.delete(group.key);
    });
    return h("div", { role: "listitem" }, node);
  }
}

export function decisionTable(caption, link, extra = {}) {
  return new Table({
    caption,
    key: (row) => `${row.at} ${row.kind} ${row.identity} ${row.irq} ${row.policy} ${row.to} ${row.code}`,
    columns: [
      { name: "When", text: (row) => clock(row.at), sort: (row) => row.at },
      { name: "What", text: verb, sort: (row) => row.kind, css: (row) => (isBad(row) ? "warn nowrap" : "nowrap") },
      { name: "IRQ or setting", text: (row) => String(what(row)), sort: what, css: () => "nowrap",
        href: (row) => (row.irq === null || row.irq === undefined ? undefined : link(`irq/${row.irq}`)) },
      { name: "From", text: (row) => row.from || (row.kind === "move" ? "–" : ""), title: (row) => row.from, css: () => "cpus" },
      { name: "To", text: (row) => row.to, title: (row) => row.to, css: () => "cpus" },
      { name: "By", text: (row) => row.who || row.policy, sort: (row) => row.who || row.policy },
      { name: "Why", text: (row) => row.reason + (row.advice ? ` – ${row.advice}` : ""), css: () => "why" },
      { name: "Result", text: (row) => (row.result === "dry run" ? "not done: dry run" : row.result + (row.code && row.result !== "written" ? ` (${row.code})` : "")), sort: (row) => row.result },
    ],
    ...extra,
  });
}
