// Fleet: many hosts in one table, for a server that tells about several.

import { Refused } from "./api.js";
import { fill, h, measured } from "./dom.js";
import { clock, load, span } from "./format.js";
import { Table } from "./table.js";

const AT_ONCE = 6;

export async function mount(root, context) {
  const { api, signal } = context;
  const known = new Map();
  const last = (row) => row.status?.last;
  const table = new Table({
    caption: "Hosts", key: (row) => row.host, page: 200, empty: "This server tells about no host.",
    columns: [
      { name: "Host", text: (row) => row.host, sort: (row) => row.host, href: (row) => `#/now?host=${encodeURIComponent(row.host)}` },
      { name: "Last seen", text: (row) => (row.seen ? `${span(Math.max(0, (Date.now() - Date.parse(row.seen)) / 1000))} ago` : "never"), sort: (row) => row.seen ?? "",
        title: (row) => (row.seen ? clock(row.seen) : ""), css: (row) => (row.problem ? "warn" : "") },
      { name: "State", text: (row) => row.problem || row.status?.state || "…", sort: (row) => row.problem || row.status?.state || "", css: (row) => (row.problem || row.status?.state === "not balancing" ? "warn" : "") },
      { name: "Over the bound", num: true, text: (row) => (last(row) ? `× ${last(row).imbalance.toFixed(2)}` : "–"), sort: (row) => last(row)?.imbalance ?? -1 },
      { name: "Busiest CPU", num: true, text: (row) => (last(row) ? load(last(row).busiest) : "–"), sort: (row) => last(row)?.busiest ?? -1 },
      { name: "Drifted", num: true, text: (row) => String(last(row)?.drifted ?? "–"), sort: (row) => last(row)?.drifted ?? -1, css: (row) => (last(row)?.drifted ? "warn" : "") },
      { name: "Refused", num: true, text: (row) => String(last(row)?.refused ?? "–"), sort: (row) => last(row)?.refused ?? -1 },
      { name: "Policy failures", text: (row) => failures(row).join(", ") || (row.status ? "none" : "–"), sort: (row) => failures(row).length, css: (row) => (failures(row).length ? "warn" : "") },
      { name: "Overrides", num: true, text: (row) => String(row.status?.overrides ?? "–"), sort: (row) => row.status?.overrides ?? -1 },
      { name: "CPUs", num: true, text: (row) => String(row.status?.cpus ?? "–"), sort: (row) => row.status?.cpus ?? -1 },
      { name: "Version", text: (row) => row.version || row.status?.version || "–", sort: (row) => row.version },
    ],
  });
  fill(root, h("h1", {}, "Fleet"), h("p", { class: "soft" }, "Every host that this server tells about, by its last word. Sort by a heading; choose a host to look into it."),
    h("section", { "aria-label": "Hosts" }, table.root));

  await context.every(async () => {
    const hosts = await api.get("/hosts", {}, signal);
    const rows = hosts.map((host) => ({ ...known.get(host.host), ...host }));
    for (const row of rows) known.set(row.host, row);
    const queue = [...rows];
    const work = async () => {
      for (let row = queue.shift(); row; row = queue.shift()) {
        try {
          const response = await fetch(`/api/v1/hosts/${encodeURIComponent(row.host)}/status`, { signal, headers: api.token ? { Authorization: `Bearer ${api.token}` } : {} });
          const body = await response.json();
          if (!response.ok) throw new Refused(response.status, body.error);
          Object.assign(row, { status: body, problem: "" });
        } catch (error) {
          if (signal.aborted) throw error;
          row.problem = error.message;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    measured("fleet", () => table.set(rows));
  }, 5000);
}

function failures(row) {
  return [...new Set((row.status?.aside ?? []).map(({ policy }) => policy)), ...(row.status?.last?.failures ? [`${row.status.last.failures} in the last cycle`] : [])];
}
