// Now: whether the host is well and what to do, CPUs by load, IRQs against CPUs, and what moved. All of it is of one moment.

import { CpuMap, legend, placeText } from "./cpumap.js";
import { decisionTable, fromCycle } from "./decided.js";
import { fill, h, measured, toast, writeText } from "./dom.js";
import { BUSY, clock, holds, load, plural, rate, span } from "./format.js";
import { IrqModel, deviceNames, filtered, irqTable } from "./irqs.js";
import { Matrix, twoWays } from "./matrix.js";
import { forecastFacts } from "./outlook.js";
import { verdictBox } from "./todo.js";

/** IRQs from which on the page is fetched and drawn less often. */
const MANY = 600;
const SHOWN = 12;

export async function mount(root, context) {
  const { api, live, link, signal, url } = context;
  const state = { now: null, cpus: [], irqs: [], names: new Map(), text: url.get("q"), idle: url.get("idle") !== "show",
    order: url.get("order", "load"), cpu: url.number("cpu") };
  const health = verdictBox(link);
  const placed = placementBox();
  const dry = h("section", { class: "box dry", hidden: true, "aria-label": "What would be changed" });
  const about = h("span");
  const detail = h("div", { class: "box detail", hidden: true, "aria-live": "polite" });
  const map = new CpuMap({ label: "CPUs by interrupt load", activate: (number) => {
    state.cpu = state.cpu === number ? null : number;
    url.set({ cpu: state.cpu });
    drawDetail();
  } });
  const model = new IrqModel((irq) => { location.hash = link(`irq/${irq.number}`); });
  const matrix = new Matrix({
    label: "IRQs against CPUs", model,
    help: "Arrow keys move, plus and minus zoom, Enter opens the IRQ. The button “As a table” shows the same as text.",
  });
  signal.addEventListener("abort", () => matrix.close());
  const dryRun = () => Boolean(state.now?.status.dry_run);
  const shown = h("span", { class: "soft", role: "status" });
  let table = null;
  const asTable = () => {
    table ??= irqTable(link, () => state.names, dryRun, { url, empty: "No IRQ matches the filter." });
    drawIrqs();
    return table.root;
  };
  const [ways, turn] = twoWays("IRQs against CPUs", matrix.root, asTable, "As a table",
    { first: url.get("as") !== "table", turned: (first) => url.set({ as: first ? "" : "table" }) });
  const recent = decisionTable("Moves of the last hour", link, { page: SHOWN, oneLine: true, empty: "No IRQ was moved in the last hour, or no history is kept." });
  const recentTitle = h("h2", { id: "moved-title" }, "Recent moves, and why");
  fill(root,
    h("h1", {}, "Now"), health.root, dry, placed.root,
    h("section", { "aria-labelledby": "cpus-title" }, h("h2", { id: "cpus-title" }, "CPUs"),
      legend(h("span", { class: "key isolated s0" }, "isolated"), h("span", { class: "key offline s0" }, h("b", {}, "offline"))),
      h("p", { class: "soft" }, "Each box is a CPU: its number, ", about, " SMT siblings touch. Choose a CPU to see its IRQs."),
      map.root, detail),
    h("section", { "aria-labelledby": "irqs-title" }, h("h2", { id: "irqs-title" }, "IRQs against CPUs"),
      h("p", { class: "soft" }, "Each row is an IRQ, each column a CPU. The coloured box is the effective affinity, coloured by load; the tint is the affinity. ",
        h("span", { class: "key remote" }, "red edge"), ": not on its device’s NUMA node."),
      h("div", { class: "controls" }, filters(state, () => {
        url.set({ q: state.text, idle: state.idle ? "" : "show", order: state.order }, { defaults: { order: "load" } });
        drawIrqs(true);
      }), matrix.tools, turn, shown),
      ways),
    h("section", { "aria-labelledby": "moved-title" }, recentTitle, recent.root,
      h("p", {}, h("a", { href: link("decisions") }, "All decisions"))));

  function drawDetail() {
    const cpu = state.cpus.find(({ number }) => number === state.cpu);
    detail.hidden = !cpu;
    map.picked = new Set(cpu ? [cpu.number] : []);
    map.draw();
    if (!cpu) return;
    const mine = state.irqs.filter((irq) => irq.rate >= BUSY && holds(irq.effective, cpu.number)).sort((a, b) => b.load - a.load);
    const key = `${cpu.number} ${mine.map((irq) => irq.number).join()}`;
    if (detail.dataset.key !== key) {
      detail.dataset.key = key;
      fill(detail, h("h3", { tabindex: -1 }, `CPU ${cpu.number}`), h("p", {}, placeText(cpu), cpu.online ? "" : "; offline", cpu.isolated && `; isolated: ${cpu.isolated}`),
        h("p", { class: "sum" }),
        mine.length ? h("ul", {}, mine.map((irq) => h("li", {}, h("a", { href: link(`irq/${irq.number}`) }, `${irq.number} ${irq.name}`), " ", h("span"))))
          : h("p", { class: "soft" }, "No busy IRQ is delivered here."),
        h("p", {}, h("a", { href: link("history", { cpu: cpu.number }) }, `The last hours of CPU ${cpu.number}`)));
    }
    const parts = mine.reduce((sum, irq) => sum + irq.load / Math.max(1, sizeOf(irq)), 0);
    writeText(detail.querySelector(".sum"), `Load ${load(cpu.load)}: IRQs ${load(parts)}, what else ran in interrupts ${load(Math.max(0, cpu.load - parts))}.`);
    detail.querySelectorAll("li span").forEach((node, index) => writeText(node, `${rate(mine[index].rate)}, load ${load(mine[index].load)}`));
  }

  function drawIrqs(layout = false) {
    let list = filtered(state.irqs, state.names, state.text, state.idle);
    writeText(shown, `${list.length.toLocaleString("en")} of ${plural(state.irqs.length, "IRQ")}`);
    table?.set(list);
    if (state.order === "load") list = [...list].sort((a, b) => b.load - a.load || a.number - b.number);
    const other = model.rows !== list.length || model.columns !== state.cpus.length;
    model.dryRun = dryRun();
    model.set(list, state.cpus);
    if (layout || other) matrix.layout();
    else matrix.draw();
  }

  /** What a dry run would do, from the plan and its forecast. */
  async function drawDry() {
    const { status } = state.now;
    dry.hidden = !status.dry_run;
    writeText(recentTitle, status.dry_run ? "What would be moved, and why" : "Recent moves, and why");
    if (!status.dry_run) return;
    const { cycle, forecast, outlook } = await api.get("/plan", {}, signal);
    recent.set(fromCycle(cycle).filter(({ kind }) => kind === "move"));
    const settings = cycle.steering.length + (cycle.default ? 1 : 0);
    const key = JSON.stringify([cycle.moves.length, settings, outlook]);
    if (dry.dataset.key === key) return;
    dry.dataset.key = key;
    const many = cycle.moves.length + settings > 0;
    fill(dry, h("p", { class: "verdict" }, many ? `${plural(cycle.moves.length, "move")} and ${plural(settings, "setting")} would be made.` : "Nothing would be changed."),
      h("p", { class: "soft" }, "This is a dry run: irqbal plans and records, and writes nothing. A daemon that is started without --dry-run and with ", h("code", {}, "dry_run: false"), " makes them."),
      many && forecast && h("p", {}, outlook), many && forecast && forecastFacts(forecast),
      many && h("p", {}, h("a", { href: link("plan") }, "The list, with reasons")));
  }

  let moved = [];
  async function fetchMoved() {
    // A dry run's table is its plan.
    if (dryRun()) return;
    moved = (await api.get("/decisions", { start: "1h", limit: 40, kind: "move" }, signal)).slice(0, 200);
    recent.set(moved);
  }

  function draw() {
    const { status, cpus, irqs, findings } = state.now;
    Object.assign(state, { cpus, irqs });
    live.take(status);
    measured("cpus", () => map.set(cpus));
    writeText(about, map.dense ? "and its load as its colour; point at it for more." : "and below it its load in percent.");
    measured("verdict", () => { health.draw(findings); placed.draw(status, cpus, irqs); });
    measured("irqs", () => { drawIrqs(); drawDetail(); });
  }

  async function update() {
    const early = globalThis.earlyNow;
    globalThis.earlyNow = null;
    state.now = await early ?? await api.get("/now", {}, signal);
    draw();
    await drawDry().catch((error) => { if (error.status !== 503) throw error; });
  }

  // What the page is about comes first: on a slow line the rest would take its time.
  await context.every(update, () => (state.irqs.length > MANY ? 2500 : 400));
  if (url.get("at") === "cpu") {
    // Only the link that led here shows the CPU: who comes back later sees the page from its top.
    url.set({ at: "" });
    setTimeout(() => {
      detail.scrollIntoView({ block: "center" });
      detail.querySelector("h3")?.focus({ preventScroll: true });
    });
  }
  drawIrqs(true);
  const passing = (error) => { if (!signal.aborted && error.status !== 503) toast(error.message); };
  api.get("/devices", {}, signal).then((devices) => {
    state.names = deviceNames(devices);
    drawIrqs();
  }).catch(passing);
  fetchMoved().catch(passing);
  const ages = setInterval(() => placed.age(), 1000);
  signal.addEventListener("abort", () => clearInterval(ages));
  live.onCycle((record) => {
    if (record === null) fetchMoved().catch(() => {});
    else if (record.moves.length && !record.dry_run) {
      moved = [...fromCycle(record).filter(({ kind }) => kind === "move"), ...moved].slice(0, 200);
      measured("moved", () => recent.set(moved));
    }
  }, signal);
}

const sizeOf = (irq) => irq.effective.split(",").reduce((sum, part) => {
  const [first, last] = part.split("-").map(Number);
  return sum + (last ?? first) - first + 1;
}, 0);

function filters(state, changed) {
  const text = h("input", { type: "search", value: state.text, placeholder: "eth0, nvme, a policy, remote …", "aria-label": "Filter IRQs by device, policy or name",
    on: { input: () => { state.text = text.value; changed(); } } });
  const idle = h("input", { type: "checkbox", props: { checked: state.idle }, on: { change: () => { state.idle = idle.checked; changed(); } } });
  const order = h("input", { type: "checkbox", props: { checked: state.order === "load" }, on: { change: () => { state.order = order.checked ? "load" : "number"; changed(); } } });
  return [text, h("label", { class: "check" }, idle, "hide idle"), h("label", { class: "check" }, order, "busiest first")];
}

/** How good the present placement is: a sentence, and its numbers. They are of the moment that the map and the tables show. */
function placementBox() {
  const sentence = h("p", { class: "headline" });
  const reason = h("p", { class: "soft" });
  const names = ["Times the least possible", "Busiest CPU", "Interrupts", "Active IRQs", "Overrides", "Refused", "Measured", "Last cycle"];
  const values = new Map(names.map((name) => [name, h("dd", { data: { tile: name } })]));
  const root = h("section", { class: "box", "aria-label": "How good the placement is" }, sentence, reason,
    h("dl", { class: "tiles" }, [...values].map(([name, value]) => h("div", {}, h("dt", {}, name), value))));
  let taken = null;
  const age = () => {
    if (taken) writeText(values.get("Measured"), `${clock(taken)}, ${span(Math.max(0, (Date.now() - Date.parse(taken)) / 1000))} ago`);
  };
  const draw = ({ last, overrides }, cpus, irqs) => {
    if (!last) {
      writeText(sentence, "irqbal has just started and has run no cycle yet.");
      return;
    }
    const bound = last.imbalance > 0 ? last.busiest / last.imbalance : 0;
    const busy = irqs.filter((irq) => irq.rate >= BUSY).length;
    const total = irqs.reduce((sum, irq) => sum + irq.rate, 0);
    const over = Math.round((last.imbalance - 1) * 100);
    const busiest = cpus.reduce((most, cpu) => (cpu.load > (most?.load ?? -1) ? cpu : most), null);
    const hottest = irqs.reduce((most, irq) => (irq.load > (most?.load ?? 0) ? irq : most), null);
    if (bound === 0) {
      writeText(sentence, "No interrupt takes measurable time: nothing needs balancing.");
      writeText(reason, "");
    } else {
      writeText(sentence, `The busiest CPU, ${busiest.number}, spends ${load(last.busiest)} of its time on interrupts. ${over <= 5
        ? `Moving IRQs cannot bring that below ${load(bound)}.` : `No placement of IRQs can bring that below ${load(bound)}; this is ${over} % more.`}`);
      writeText(reason, hottest && hottest.load > bound * 0.9
        ? `The bound is the load of the hottest IRQ, ${hottest.number} ${hottest.name}: one IRQ cannot be divided among CPUs.`
        : "The bound is the mean load of all usable CPUs, or what stays on one CPU wherever IRQs are.");
    }
    taken = last.measured ?? last.at;
    const numbers = [bound ? `× ${last.imbalance.toFixed(2)}` : "–", load(last.busiest), rate(total), `${busy} of ${irqs.length}`, overrides, last.refused, null,
      `${last.cycle}, ${clock(last.at)}`];
    [...values.values()].forEach((value, index) => { if (numbers[index] !== null) writeText(value, String(numbers[index])); });
    values.get("Refused").classList.toggle("warn", last.refused > 0);
    values.get("Measured").title = taken;
    age();
  };
  return { root, draw, age };
}
