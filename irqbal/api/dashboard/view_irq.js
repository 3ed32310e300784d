// One IRQ: its facts, why it is where it is, an override, and its history. Without a number: the list of all IRQs.

import { errorBox } from "./api.js";
import { cycleMarks, largest, ratesOf, stacked } from "./chart.js";
import { decisionTable } from "./decided.js";
import { fill, h, measured, writeText } from "./dom.js";
import { load, plural, rate, seconds, span } from "./format.js";
import { deviceNames, filtered, irqTable, placement } from "./irqs.js";
import { overrideForm } from "./override_form.js";
import { FindingBox } from "./todo.js";

export async function mount(root, context) {
  await (context.argument ? one(root, context) : all(root, context));
}

async function all(root, context) {
  const { api, live, link, signal, url } = context;
  const state = { names: new Map(), irqs: [], text: url.get("q"), idle: url.get("idle") === "hide" };
  const table = irqTable(link, () => state.names, () => Boolean(live.status?.dry_run), { url, empty: "No IRQ matches the filter." });
  const shown = h("span", { class: "soft", role: "status" });
  const draw = () => measured("table", () => {
    const list = filtered(state.irqs, state.names, state.text, state.idle);
    writeText(shown, `${list.length.toLocaleString("en")} of ${plural(state.irqs.length, "IRQ")}`);
    table.set(list);
  });
  const changed = () => {
    url.set({ q: state.text, idle: state.idle ? "hide" : "" });
    draw();
  };
  const input = h("input", { type: "search", value: state.text, placeholder: "a number, name, device or policy", "aria-label": "Filter IRQs",
    on: { input: () => { state.text = input.value; changed(); } } });
  const idle = h("input", { type: "checkbox", props: { checked: state.idle }, on: { change: () => { state.idle = idle.checked; changed(); } } });
  fill(root, h("h1", {}, "IRQs"), h("p", { class: "soft" }, "Choose an IRQ to see why it is where it is and its history, or to override it."),
    h("div", { class: "controls" }, input, h("label", { class: "check" }, idle, "hide idle"), shown), h("section", { "aria-label": "IRQs" }, table.root));
  state.names = deviceNames(await api.get("/devices", {}, signal));
  await context.every(async () => { state.irqs = await api.get("/irqs", {}, signal); draw(); }, 3000);
}

const WORDS = {
  "claim": "claimed it", "claim (open)": "claimed it; later policies may choose within", "narrow": "chose within that", "limit": "limited it", "evict": "moved it off forbidden CPUs", "pass over": "came later and was passed over; it would have allowed",
  "keep": "result: it stays", "move": "result: it is moved", "refuse": "refused", "override": "a person's override, which outranks all policies", "hold": "held back", "leave": "leaves it alone",
};

/** The same in a dry run, for what it does not do. */
const DRY_WORDS = { "evict": "would move it off forbidden CPUs", "keep": "result: it would stay", "move": "result: it would be moved" };

const EVIDENCE = {
  "netlink": "the kernel says so (netdev netlink)", "rank": "by its rank among the device’s vectors of its kind", "name": "by the number in its name",
  "only vector": "the device has no other vector", "policy": "a policy says so (irqbal_identify)",
};

async function one(root, context) {
  const { api, link, signal } = context;
  const path = `/irqs/${encodeURIComponent(context.argument)}`;
  const title = h("h1", {}, `IRQ ${context.argument}`);
  const sub = h("p", { class: "soft" });
  const facts = h("dl", { class: "facts" });
  const why = h("ol", { class: "chain" });
  const whyNot = h("p", {});
  const todo = new FindingBox(context);
  const place = h("div", { class: "box override" });
  const chart = h("div", {}, h("p", { class: "soft" }, "Loading…"));
  const decisions = decisionTable("Decisions about this IRQ", link, { page: 10, empty: "No decision about it in the last day." });
  let explained = await api.get(`${path}/explain`, {}, signal);
  const number = explained.irq.number;
  const form = overrideForm(context, path, () => explained, () => {
    // The history stores it with the next cycle.
    setTimeout(() => past().catch(() => {}), 3000);
    return Promise.all([update(), context.live.refresh(signal)]);
  });
  fill(root, h("p", {}, h("a", { href: link("irq") }, "All IRQs")), title, sub, todo.root, facts,
    h("section", { "aria-labelledby": "why-title" }, h("h2", { id: "why-title" }, "Why it is there"), whyNot, why),
    h("section", { "aria-labelledby": "over-title" }, h("h2", { id: "over-title" }, "Override"), fill(place, form.root)),
    h("section", { "aria-labelledby": "past-title" }, h("h2", { id: "past-title" }, "Its load by CPU, at most an hour back"), chart,
      h("p", {}, h("a", { href: link("history", { irq: number }) }, "More of its history"))),
    h("section", { "aria-labelledby": "dec-title" }, h("h2", { id: "dec-title" }, "Decisions about it, the last day"), decisions.root));

  function draw(cpus = null) {
    const { irq, steps, override } = explained;
    const dryRun = Boolean(context.live.status?.dry_run);
    writeText(title, `IRQ ${irq.number} · ${irq.name}`);
    const served = irq.queues;
    const queue = served.length === 1 ? `${served[0].kind} queue ${served[0].index} of ${served[0].name}${served[0].active ? "" : " (not in use)"}`
      : served.length ? `${served.length} queues of ${[...new Set(served.map(({ name }) => name))].join(", ")}` : "";
    writeText(sub, [queue, irq.device, irq.chip].filter(Boolean).join(" · "));
    const rows = [
      ["Rate", rate(irq.rate)], ["Load", `${load(irq.load)} of a CPU`], ["Device’s NUMA node", irq.node < 0 ? "unknown" : irq.node],
      ["Affinity", irq.affinity], ["Effective affinity", `${irq.effective || "–"}${irq.local ? ", on the device’s node" : ", not on the device’s node"}`],
      ["Placed by", placement(irq, dryRun) + (irq.placed_ago ? `, ${span(seconds(irq.placed_ago))} ago` : "")],
      ["Generation", `${irq.generation}${irq.generation === 1 ? "" : " (set up again since irqbal started)"}`], ["Interrupts so far", irq.total === null ? "–" : irq.total.toLocaleString("en")],
    ];
    if (irq.evidence) rows.push(["How the queue is known", EVIDENCE[irq.evidence] ?? irq.evidence]);
    if (irq.hint) rows.push(["Driver’s hint", irq.hint]);
    table(facts, rows);
    writeText(whyNot, irq.unmovable ? `It cannot be moved: ${irq.unmovable}.` : steps.length ? "" : "No policy, limit or override applies to it: it is where the kernel, or another program before irqbal, put it.");
    const key = JSON.stringify([steps, dryRun]);
    if (why.dataset.key !== key) {
      why.dataset.key = key;
      fill(why, steps.map((step) => h("li", {}, h("b", {}, step.policy || "the planner"), ` ${(dryRun && DRY_WORDS[step.what]) || (WORDS[step.what] ?? step.what)}`,
        step.cpus !== null && h("span", {}, ": ", h("code", {}, step.cpus || "no CPU")), h("div", { class: "soft" }, step.reason))));
    }
    form.draw(override, cpus);
  }

  async function update() {
    const [fresh, cpus] = await Promise.all([api.get(`${path}/explain`, {}, signal), api.get("/cpus", {}, signal), todo.update((item) => item.irq === number)]);
    explained = fresh;
    measured("irq", () => draw(cpus));
  }

  let shownChart = null;
  async function past() {
    const query = { start: "1h", step: "12s", by: "cpu" };
    let answer = await api.get(`/irqs/${number}/history`, { ...query, what: "load" }, signal);
    // While no time is visible, only interrupts are counted.
    if (!answer.points.some((point) => Object.keys(point.counts).length)) answer = await api.get(`/irqs/${number}/history`, query, signal);
    const { times, lines } = ratesOf(answer, (cpu) => `CPU ${cpu}`);
    if (!times.length) {
      fill(chart, h("p", { class: "soft" }, "The history has no sample of it yet."));
      return;
    }
    const about = await api.get("/decisions", { irq: number, start: "24h", limit: 100 }, signal);
    decisions.set(about);
    shownChart?.close();
    shownChart = await stacked(chart, { label: `${answer.what === "load" ? "Load" : "Interrupts"} of IRQ ${number} by CPU`, times, series: largest(lines, 11, "other CPUs"),
      height: 220, format: answer.what === "load" ? load : rate, marks: cycleMarks(about) });
  }
  signal.addEventListener("abort", () => shownChart?.close());
  draw();
  await context.every(update, 900);
  await past().catch((error) => { if (!signal.aborted) fill(chart, errorBox(error)); });
  const timer = setInterval(() => { if (!document.hidden) past().catch(() => {}); }, 30_000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function table(list, rows) {
  if (list.children.length !== rows.length) fill(list, rows.map(([name]) => h("div", {}, h("dt", {}, name), h("dd"))));
  rows.forEach(([, value], index) => writeText(list.children[index].lastChild, String(value)));
}
