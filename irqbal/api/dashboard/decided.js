// A table of decisions, for the view of that name, below an IRQ, and below a chart.

import { clock } from "./format.js";
import { Table } from "./table.js";

export const KINDS = {
  move: "moved", steering: "steering", default: "default mask", refusal: "refused", drift: "drift", failure: "failure",
  override: "override", action: "by a person",
};

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

export function decisionTable(caption, link, extra = {}) {
  const bad = (row) => ["refused", "gone", "unsaved", "differs"].includes(row.result) || ["failure", "refusal", "drift"].includes(row.kind);
  return new Table({
    caption,
    key: (row) => `${row.at} ${row.kind} ${row.identity} ${row.irq} ${row.policy} ${row.to} ${row.code}`,
    columns: [
      { name: "When", text: (row) => clock(row.at), sort: (row) => row.at },
      { name: "What", text: (row) => (row.kind === "move" && row.result === "dry run" ? "would move" : KINDS[row.kind] ?? row.kind), sort: (row) => row.kind, css: (row) => (bad(row) ? "warn nowrap" : "nowrap") },
      { name: "IRQ or setting", text: (row) => String(what(row)), sort: what, css: () => "nowrap",
        href: (row) => (row.irq === null || row.irq === undefined ? undefined : link(`irq/${row.irq}`)) },
      { name: "From", text: (row) => row.from || (row.kind === "move" ? "–" : ""), title: (row) => row.from, css: () => "cpus" },
      { name: "To", text: (row) => row.to, title: (row) => row.to, css: () => "cpus" },
      { name: "By", text: (row) => row.who || row.policy, sort: (row) => row.who || row.policy },
      { name: "Why", text: (row) => row.reason + (row.advice ? ` – ${row.advice}` : ""), css: () => "why" },
      { name: "Result", text: (row) => row.result + (row.code && row.result !== "written" ? ` (${row.code})` : ""), sort: (row) => row.result },
    ],
    ...extra,
  });
}
