// Fleet: all hosts of a server in one table, and the findings on all of them.

import { field, fill, h, measured, writeText, select } from "./dom.js";
import { clock, load, plural, span } from "./format.js";
import { href } from "./location.js";
import { Table } from "./table.js";
import { WORDS, targets } from "./todo.js";

const EVERY = 10_000;
const CODES = [["", "nothing more"], ["all", "everything to do"], ["saturated", "CPUs near saturation"], ["policy-failed", "failed policies"], ["no-plan", "hosts without a plan"],
  ["writer", "other programs that write masks"], ["possible-writer", "programs that may write masks"], ["drift", "masks changed by others"], ["remote-queue", "NICs with remote queues"], ["unknown-queues", "queues not recognised"],
  ["isolated", "interrupts on isolated CPUs"], ["isolated-thread", "threads on isolated CPUs"], ["outbox", "outboxes that grow"], ["no-history", "hosts without a history"],
  ["paused", "paused hosts"], ["dry-run", "dry runs"], ["override-ends", "overrides that end"], ["shared-core", "hot queues on one core"], ["beside-disk", "queues beside a hot disk"],
  ["queue-count", "numbers of queues"]];
const VERDICTS = { act: 0, look: 1, well: 2 };
const worst = (row) => `${row.severity === "warning" ? 0 : 1} ${row.code} ${row.host}`;

const ago = (moment) => (moment ? `${span(Math.max(0, (Date.now() - Date.parse(moment)) / 1000))} ago` : "never");
const number = (value) => (value ?? "–").toString();
const place = (host, view = "now", query = {}) => href(view, { ...query, host });

/** A column of numbers; with `warns`, any but 0 is highlighted. */
function counted(name, key, warns = true) {
  return { name, num: true, text: (row) => number(row[key]), sort: (row) => row[key] ?? -1, css: (row) => (warns && row[key] ? "warn" : "") };
}

export async function mount(root, context) {
  const { api, signal, url } = context;
  const state = { text: url.get("q"), code: url.get("code"), rows: [] };
  const troubled = (row) => row.state === "silent" || row.state === "not balancing";
  const table = new Table({
    caption: "Hosts", key: (row) => row.host, page: 100, url, by: "verdict", empty: "No host matches the filter.",
    columns: [
      { name: "Host", text: (row) => row.host, sort: (row) => row.host, href: (row) => place(row.host) },
      { name: "Verdict", text: (row) => (WORDS[row.verdict] ?? "unknown") + (row.findings ? `, ${plural(row.findings, "thing", "things")}` : ""),
        sort: (row) => (VERDICTS[row.verdict] ?? 3) * 1e6 - (row.findings ?? 0), css: (row) => (row.verdict === "act" ? "warn" : "") },
      { name: "Last seen", text: (row) => ago(row.seen), sort: (row) => row.seen ?? "", title: (row) => (row.seen ? clock(row.seen) : ""),
        css: (row) => (row.state === "silent" ? "warn" : "") },
      { name: "State", text: (row) => row.state || "unknown", sort: (row) => row.state, css: (row) => (troubled(row) ? "warn" : "") },
      { name: "Times the least possible", num: true, text: (row) => (row.imbalance === null ? "–" : `× ${row.imbalance.toFixed(2)}`), sort: (row) => row.imbalance ?? -1 },
      { name: "Busiest CPU", num: true, text: (row) => (row.busiest === null ? "–" : load(row.busiest)), sort: (row) => row.busiest ?? -1 },
      counted("Drifted", "drifted"), counted("Refused", "refused", false),
      { name: "Policy failures", text: (row) => failures(row), sort: (row) => (row.failures ?? 0) + row.failed.length, css: (row) => (row.failures || row.failed.length ? "warn" : "") },
      counted("Remote queues", "remote"), counted("On isolated CPUs", "isolated"), counted("Overrides", "overrides", false), counted("CPUs", "cpus", false),
      { name: "Version", text: (row) => row.version || "–", sort: (row) => row.version },
    ],
  });
  const found = new Table({
    caption: "Findings", key: (row) => `${row.host} ${row.code} ${row.irq} ${row.text}`, page: 200, empty: "No host has such a finding.",
    columns: [
      { name: "Host", text: (row) => row.host, sort: (row) => row.host, href: (row) => { const [, path, query] = targets(row)[0] ?? ["", "now"]; return place(row.host, path, query); } },
      { name: "Finding", text: (row) => row.text, sort: (row) => row.text },
      { name: "What to do", text: (row) => row.advice, sort: (row) => row.advice },
      { name: "Seen", text: (row) => ago(row.seen), sort: (row) => row.seen },
    ],
  });
  const count = h("p", { class: "soft", role: "status" });
  const draw = () => measured("fleet", () => {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = state.rows.filter((row) => words.every((word) => `${row.host} ${row.state} ${row.verdict} ${row.version} ${row.failed.join(" ")}`.toLowerCase().includes(word)));
    const of = (word) => state.rows.filter(({ verdict }) => verdict === word).length;
    writeText(summary, `${plural(of("act"), "host has", "hosts have")} something to mend, ${plural(of("look"), "host is", "hosts are")} worth a look, ${plural(of("well"), "host is", "hosts are")} well.`);
    writeText(count, `${rows.length.toLocaleString("en")} of ${plural(state.rows.length, "host")}`);
    table.set(rows);
  });
  const search = h("input", { type: "search", value: state.text, placeholder: "a name, state or version …", on: { input: () => {
    state.text = search.value;
    url.set({ q: state.text });
    draw();
  } } });
  const summary = h("p", { class: "verdict", role: "status" });
  const findings = h("section", { "aria-label": "Findings", hidden: true }, found.root);
  const fetchFindings = async () => {
    findings.hidden = state.code === "";
    if (!state.code) return;
    const rows = await api.get("/fleet/findings", { code: state.code === "all" ? "" : state.code }, signal);
    found.set(rows.sort((a, b) => worst(a).localeCompare(worst(b))));
  };
  fill(root, h("h1", {}, "Fleet"), h("p", { class: "soft" }, "Every host that this server knows, as it last reported. Click a heading to sort, a host to open it. Drift and failures are of the last 24 hours."), summary,
    h("div", { class: "controls" }, field("Search hosts", search), field("Show also", select(CODES, state.code, (code) => { state.code = code; url.set({ code }); fetchFindings().catch(() => {}); }))), count,
    findings, h("section", { "aria-label": "Hosts" }, table.root));

  const refresh = async (known = null) => {
    state.rows = known ?? await api.get("/hosts", {}, signal);
    draw();
    await fetchFindings();
  };
  await refresh(context.listed);
  // There are no events for all hosts together.
  const timer = setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function failures(row) {
  const last = row.failures ? [plural(row.failures, "failure")] : [];
  return [...row.failed.map((policy) => `${policy} set aside`), ...last].join(", ") || (row.failures === null ? "–" : "none");
}
