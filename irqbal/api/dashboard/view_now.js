// Now: CPUs by load, IRQs against CPUs, how good the placement is, and what moved.

import { CpuMap, legend, placeText } from "./cpumap.js";
import { decisionTable, fromCycle } from "./decided.js";
import { fill, h, measured, writeText } from "./dom.js";
import { BUSY, clock, holds, load, plural, rate } from "./format.js";
import { IrqModel, deviceNames, filtered, irqTable } from "./irqs.js";
import { Matrix, twoWays } from "./matrix.js";

const MANY = 600;
const SHOWN = 12;

export async function mount(root, context) {
  const { api, live, link, signal } = context;
  const state = { cpus: [], irqs: [], names: new Map(), text: context.query.get("q") ?? "", idle: true, order: "number", cpu: null, fetched: 0 };
  const verdict = verdictBox();
  const about = h("span");
  const detail = h("div", { class: "box detail", hidden: true, "aria-live": "polite" });
  const map = new CpuMap({ label: "CPUs by interrupt load", activate: (number) => { state.cpu = state.cpu === number ? null : number; drawDetail(); } });
  const model = new IrqModel((irq) => { location.hash = link(`irq/${irq.number}`); });
  const matrix = new Matrix({
    label: "IRQs against CPUs", model,
    help: "Arrow keys move, plus and minus zoom, Enter opens the IRQ. The button “As a table” shows the same as text.",
  });
  signal.addEventListener("abort", () => matrix.close());
  let table = null;
  const asTable = () => {
    table ??= irqTable(link, () => state.names, { order: { index: 4, down: true }, empty: "No IRQ matches the filter." });
    drawIrqs();
    return table.root;
  };
  const [ways, turn] = twoWays("IRQs against CPUs", matrix.root, asTable, "As a table");
  const shown = h("span", { class: "soft", role: "status" });
  const recent = decisionTable("Moves of the last cycles", link, { page: SHOWN, empty: "No IRQ was moved in the last hour." });
  fill(root,
    h("h1", {}, "Now"), verdict.root,
    h("section", { "aria-labelledby": "cpus-title" }, h("h2", { id: "cpus-title" }, "CPUs"),
      legend(h("span", { class: "key isolated s0" }, "isolated"), h("span", { class: "key offline s0" }, h("b", {}, "offline"))),
      h("p", { class: "soft" }, "Each box is a CPU: its number, ", about, " SMT siblings touch. Choose a CPU to see its IRQs."),
      map.root, detail),
    h("section", { "aria-labelledby": "irqs-title" }, h("h2", { id: "irqs-title" }, "IRQs against CPUs"),
      h("p", { class: "soft" }, "Each row is an IRQ, each column a CPU. The coloured box is the effective affinity, coloured by load; the tint is the affinity. ",
        h("span", { class: "key remote" }, "red edge"), ": not on its device’s NUMA node."),
      h("div", { class: "controls" }, filters(state, () => drawIrqs(true)), matrix.tools, turn, shown),
      ways),
    h("section", { "aria-labelledby": "moved-title" }, h("h2", { id: "moved-title" }, "Recent moves, and why"), recent.root,
      h("p", {}, h("a", { href: link("decisions") }, "All decisions"))));

  function drawDetail() {
    const cpu = state.cpus.find(({ number }) => number === state.cpu);
    detail.hidden = !cpu;
    if (!cpu) return;
    const mine = state.irqs.filter((irq) => irq.rate >= BUSY && holds(irq.effective, cpu.number)).sort((a, b) => b.load - a.load);
    const key = `${cpu.number} ${mine.map((irq) => irq.number).join()}`;
    if (detail.dataset.key === key) return;
    detail.dataset.key = key;
    fill(detail, h("h3", {}, `CPU ${cpu.number}`), h("p", {}, placeText(cpu), cpu.online ? "" : "; offline", cpu.isolated && `; isolated: ${cpu.isolated}`),
      mine.length ? h("ul", {}, mine.map((irq) => h("li", {}, h("a", { href: link(`irq/${irq.number}`) }, `${irq.number} ${irq.name}`),
        ` ${rate(irq.rate)}, load ${load(irq.load)}`))) : h("p", { class: "soft" }, "No busy IRQ is delivered here."));
  }

  function drawIrqs(layout = false) {
    let list = filtered(state.irqs, state.names, state.text, state.idle);
    writeText(shown, `${list.length.toLocaleString("en")} of ${plural(state.irqs.length, "IRQ")}`);
    if (table?.root.isConnected || table) table.set(list);
    if (state.order === "load") list = [...list].sort((a, b) => b.load - a.load);
    const other = model.rows !== list.length || model.columns !== state.cpus.length;
    model.set(list, state.cpus);
    if (layout || other) matrix.layout();
    else matrix.draw();
  }

  let moved = [];
  async function fetchMoved() {
    moved = (await api.get("/decisions", { start: "1h", limit: 40, kind: "move" }, signal)).slice(0, 200);
    recent.set(moved);
  }

  async function update() {
    // With many IRQs their list is large, and is not fetched with every cycle.
    const due = performance.now() - state.fetched > (state.irqs.length > MANY ? 2500 : 0);
    const [cpus, irqs] = await Promise.all([api.get("/cpus", {}, signal), due ? api.get("/irqs", {}, signal) : state.irqs]);
    if (due) state.fetched = performance.now();
    state.cpus = cpus;
    state.irqs = irqs;
    measured("cpus", () => map.set(cpus));
    writeText(about, map.dense ? "and its load as its colour; point at it for more." : "and below it its load in percent.");
    measured("verdict", () => verdict.draw(live, cpus, irqs));
    if (due) measured("irqs", () => { drawIrqs(); drawDetail(); });
  }

  live.onStatus(() => { if (state.cpus.length) verdict.draw(live, state.cpus, state.irqs); }, signal);
  [state.names] = await Promise.all([
    api.get("/devices", {}, signal).then(deviceNames), context.every(update, 400),
    fetchMoved().catch((error) => { if (error.status !== 503) throw error; }),
  ]);
  matrix.layout();
  live.onCycle((record) => {
    if (record === null) fetchMoved().catch(() => {});
    else if (record.moves.length) {
      moved = [...fromCycle(record).filter(({ kind }) => kind === "move"), ...moved].slice(0, 200);
      measured("moved", () => recent.set(moved));
    }
    verdict.draw(live, state.cpus, state.irqs);
  }, signal);
}

function filters(state, changed) {
  const text = h("input", { type: "search", value: state.text, placeholder: "eth0, nvme, a policy, remote …", "aria-label": "Filter IRQs by device, policy or name",
    on: { input: () => { state.text = text.value; changed(); } } });
  const idle = h("input", { type: "checkbox", props: { checked: state.idle }, on: { change: () => { state.idle = idle.checked; changed(); } } });
  const order = h("input", { type: "checkbox", on: { change: () => { state.order = order.checked ? "load" : "number"; changed(); } } });
  return [text, h("label", { class: "check" }, idle, "hide idle"), h("label", { class: "check" }, order, "busiest first")];
}

/** How good the present placement is: a sentence, and its numbers. */
function verdictBox() {
  const sentence = h("p", { class: "verdict" });
  const reason = h("p", { class: "soft" });
  const values = new Map(["Over the bound", "Busiest CPU", "Interrupts", "Busy IRQs", "Overrides", "Refused", "Last cycle"].map((name) => [name, h("dd")]));
  const root = h("section", { class: "box", "aria-label": "How good the placement is" }, sentence, reason,
    h("dl", { class: "tiles" }, [...values].map(([name, value]) => h("div", {}, h("dt", {}, name), value))));
  const draw = (live, cpus, irqs) => {
    const last = live.status?.last;
    if (!live.status) {
      writeText(sentence, "");
      return;
    }
    if (!last) {
      writeText(sentence, "irqbal has just started and has run no cycle yet.");
      return;
    }
    const bound = last.imbalance > 0 ? last.busiest / last.imbalance : 0;
    const busy = irqs.filter((irq) => irq.rate >= BUSY).length;
    const total = irqs.reduce((sum, irq) => sum + irq.rate, 0);
    const over = Math.round((last.imbalance - 1) * 100);
    const hottest = irqs.reduce((most, irq) => (irq.load > (most?.load ?? 0) ? irq : most), null);
    if (bound === 0) {
      writeText(sentence, "No interrupt takes measurable time: nothing needs balancing.");
      writeText(reason, "");
    } else {
      writeText(sentence, over <= 5
        ? `Optimal: the busiest CPU spends ${load(last.busiest)} of its time on interrupts, and no placement can bring that below ${load(bound)}.`
        : `The busiest CPU spends ${load(last.busiest)} of its time on interrupts. No placement can bring that below ${load(bound)}; this is ${over} % more.`);
      writeText(reason, hottest && hottest.load > bound * 0.9
        ? `The bound is the load of the hottest IRQ, ${hottest.number} ${hottest.name}: one IRQ cannot be divided among CPUs.`
        : "The bound is the mean load of all usable CPUs: the busiest CPU cannot have less.");
    }
    const numbers = [bound ? `× ${last.imbalance.toFixed(2)}` : "–", load(last.busiest), rate(total), `${busy} of ${irqs.length}`, live.status.overrides,
      last.refused, `${last.cycle}, ${clock(last.at)}`];
    [...values.values()].forEach((value, index) => writeText(value, String(numbers[index])));
    values.get("Refused").classList.toggle("warn", last.refused > 0);
  };
  return { root, draw };
}
