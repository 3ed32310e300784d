// History: what happened when: each CPU over time as a heat map, the same stacked, and the decisions by cycle.

import { errorBox } from "./api.js";
import { cycleMarks, largest, ratesOf, stacked } from "./chart.js";
import { legend } from "./cpumap.js";
import { CycleList } from "./decided.js";
import { csv, download, field, fill, h, select, unique } from "./dom.js";
import { clock, load as loadText, plural, rate, setText, span } from "./format.js";
import { heatmap } from "./heatmap.js";
import { deviceNames } from "./irqs.js";
import { markLegend } from "./marks.js";
import { findingList } from "./todo.js";

const RANGES = [["60", "a minute"], ["300", "5 minutes"], ["900", "15 minutes"], ["3600", "an hour"], ["21600", "6 hours"], ["86400", "a day"], ["604800", "a week"],
  ["2592000", "30 days"], ["31536000", "a year"]];
const WHAT = { load: "load", interrupts: "interrupts a second", softirqs: "softirqs a second, by kind", squeezes: "squeezes (softirqs out of budget)", drops: "packets dropped by CPUs" };
/** What is shown, as the beginning of a heading. */
const HEADINGS = { load: "Load", interrupts: "Interrupts a second", softirqs: "Softirqs a second", squeezes: "Softirqs out of budget, a second", drops: "Dropped packets, a second" };
const BY = { device: "by device", irq: "by IRQ", cpu: "by CPU", kind: "by kind" };
const LINES = 11;
const MOST = 2000;
/** The shortest range, in seconds: zooming stops here. */
const NARROWEST = 4;
const DEFAULTS = { for: 900, what: "load" };

/** What a chart may be stacked by; the first is the default. */
function ways({ what, irq, device, cpu }) {
  if (irq) return ["cpu"];
  if (what === "softirqs") return ["kind", "cpu"];
  if (what === "squeezes" || what === "drops") return ["cpu"];
  if (device) return ["irq", "cpu"];
  const all = cpu === null ? ["device", "irq", "cpu"] : ["device", "irq"];
  return what === "load" ? [...all, "kind"] : all;
}

export async function mount(root, context) {
  const { api, live, link, signal, url } = context;
  const state = { what: Object.hasOwn(WHAT, url.get("what")) ? url.get("what") : DEFAULTS.what, by: url.get("by"), length: url.number("for", DEFAULTS.for),
    start: url.number("start"), end: url.number("end"), irq: url.get("irq"), device: url.get("device"), cpu: url.number("cpu"), data: null };
  const about = h("p", { class: "soft", role: "status" });
  const heat = h("div", { class: "holder" });
  const chart = h("div", { class: "holder" });
  const heatTitle = h("h2", {});
  const chartTitle = h("h2", {});
  const trouble = h("div");
  const found = h("div");
  const colours = legend();
  const charts = h("div", {}, h("section", { "aria-label": "Heat map" }, heatTitle, colours, heat), h("section", { "aria-label": "Chart" }, chartTitle, chart, markLegend()));
  const list = new CycleList("Decisions in this time, by cycle", link, { page: 20, empty: "Nothing was decided in this time." });
  const title = h("h2", {}, "Decisions in this time");
  const length = select(RANGES, String(state.length), (value) => { if (value !== "fixed") change({ length: Number(value), start: null, end: null }); });
  const what = select(Object.entries(WHAT), state.what, (value) => change({ what: value, by: "" }));
  const byHolder = h("div", {});
  const names = h("datalist", { id: unique("subjects") });
  const only = h("input", { type: "search", list: names.id, autocomplete: "off", spellcheck: "false", placeholder: "all: or eth0, IRQ 24, CPU 3", value: subjectText(),
    on: { change: () => choose(only.value) } });
  const turn = (text, work, name) => h("button", { type: "button", title: name, "aria-label": name, on: { click: () => change(work()) } }, text);
  const bounds = () => {
    const end = state.end ?? Date.now() / 1000;
    return [state.start ?? end - state.length, end];
  };
  const shift = (from, to) => {
    const [start, end] = bounds();
    const wide = end - start;
    const last = Math.min(end + to * wide, Date.now() / 1000);
    // Nothing is later than now: the range is moved as far as it can be, and stays as wide.
    return { start: from === to ? last - wide : start + from * wide, end: last };
  };
  const past = h("section", { "aria-label": "Decisions in this time" }, title, list.root);
  const nowButton = turn("Now", () => ({ start: null, end: null }), "Back to now, with live updates");
  fill(root, h("h1", {}, "History"), found,
    h("div", { class: "controls" }, field("The last", length), field("Show", what), byHolder, field("Only", only), names,
      h("div", { class: "tools" },
        turn("◀", () => shift(-0.5, -0.5), "Earlier"), turn("▶", () => shift(0.5, 0.5), "Later"),
        turn("+", () => shift(0.25, -0.25), "Zoom in"), turn("−", () => shift(-0.5, 0.5), "Zoom out"), nowButton),
      h("button", { type: "button", on: { click: save } }, "Download CSV")),
    about, trouble,
    charts,
    past);

  let shown = [];
  let map = null;
  let running = 0;
  /** The numbers of the online CPUs. */
  let cpus = [];
  const close = () => { for (const one of shown) one.close(); shown = []; };
  signal.addEventListener("abort", close);

  function subjectText() {
    return state.irq ? `IRQ ${state.irq}` : state.device || (state.cpu === null ? "" : `CPU ${state.cpu}`);
  }

  /** The IRQ, CPU or device that a person typed. */
  function choose(text) {
    const [, irq] = /^irq\s+(\S+)/i.exec(text.trim()) ?? [];
    const [, cpu] = /^cpu\s*(\d+)$/i.exec(text.trim()) ?? [];
    const device = irq || cpu ? "" : text.trim();
    const all = state.what === "load" || state.what === "interrupts" ? state.what : "load";
    change({ irq: irq ?? "", cpu: cpu === undefined ? null : Number(cpu), device, by: "", what: irq || device ? all : state.what });
  }

  /** Change what is shown; Back undoes it. Moments are whole seconds, as in the URL. */
  function change(values) {
    Object.assign(state, values);
    if (state.start !== null && state.end !== null) {
      const missing = Math.max(0, NARROWEST - (state.end - state.start));
      [state.start, state.end] = [Math.round(state.start - missing / 2), Math.round(state.end + missing / 2)];
    }
    url.set({ what: state.what, by: state.by, for: state.length, start: state.start, end: state.end, irq: state.irq, device: state.device, cpu: state.cpu },
      { push: true, defaults: DEFAULTS });
    controls();
    load();
  }

  function controls() {
    what.value = state.what;
    const fixed = state.start !== null || state.end !== null;
    const chosen = fixed ? "fixed" : String(state.length);
    fill(length, [...(fixed ? [["fixed", "a fixed range"]] : []), ...RANGES].map(([value, text]) => h("option", { value, props: { selected: value === chosen } }, text)));
    only.value = subjectText();
    const allowed = ways(state);
    if (!allowed.includes(state.by)) state.by = allowed[0];
    const by = select(allowed.map((name) => [name, BY[name]]), state.by, (value) => change({ by: value }));
    fill(byHolder, field("Stacked", by));
  }

  async function load() {
    const mine = ++running;
    if (state.cpu !== null && cpus.length && !cpus.includes(state.cpu)) {
      fill(trouble, errorBox(new Error(`This host has no CPU ${state.cpu} that is online; its CPUs are ${setText(cpus)}.`)));
      charts.hidden = past.hidden = true;
      return;
    }
    const [start, end] = bounds();
    nowButton.setAttribute("aria-pressed", String(state.end === null));
    try {
      const words = { start: new Date(start * 1000).toISOString(), end: new Date(end * 1000).toISOString() };
      const step = stepOf(end - start);
      const path = state.irq ? `/irqs/${encodeURIComponent(state.irq)}/history` : state.device ? `/devices/${encodeURIComponent(state.device)}/history` : "/cpus/history";
      const query = { ...words, step: `${step}s`, what: state.what, cpu: state.cpu };
      const [grid, stack, decided] = await Promise.all([api.get(path, { ...query, by: "cpu" }, signal),
        state.by === "cpu" ? null : api.get(path, { ...query, by: state.by }, signal),
        api.get("/decisions", { ...words, irq: state.irq, search: state.device, limit: MOST }, signal)]);
      if (mine !== running || signal.aborted) return;
      charts.hidden = past.hidden = false;
      await draw(grid, stack ?? grid, decided, start, end, step);
      fill(trouble);
    } catch (error) {
      if (mine !== running || signal.aborted) return;
      fill(trouble, errorBox(error));
      charts.hidden = past.hidden = true;
    }
  }

  async function draw(grid, stack, decided, start, end, step) {
    const share = state.what === "load";
    // Rates have no scale of their own: the darkest is the largest that is shown.
    colours.hidden = !share;
    const format = share ? loadText : rate;
    const cells = ratesOf(grid, (name) => name);
    const { times, lines } = ratesOf(stack, (name) => lineName(name, stack));
    state.data = { times, lines };
    const subject = subjectText();
    about.textContent = `${clock(start * 1000)} to ${clock(end * 1000)}, ${plural(cells.times.length, "point")}, one each ${span(Math.max(step, cells.usual))}`;
    heatTitle.textContent = `${HEADINGS[state.what]} of each CPU${subject && state.cpu === null ? ` by ${subject}` : ""}`;
    chartTitle.textContent = `${HEADINGS[state.what]} ${BY[state.by]}${subject ? `, of ${subject} alone` : ""}`;
    title.textContent = `Decisions in this time (${decided.length === MOST ? `the newest ${MOST.toLocaleString("en")}` : decided.length})`;
    list.set(decided);
    const kept = map?.cursor();
    map = null;
    close();
    const empty = h("p", { class: "box" }, emptyText(end - start));
    if (!cells.times.length && !times.length) {
      fill(heat, empty);
      fill(chart);
      return;
    }
    const zoomed = (from, to) => change({ start: from, end: to });
    // A CPU without counts was idle, where there are samples at all.
    const idle = cells.times.map((_, index) => ([...cells.lines.values()].every((values) => values[index] === null) ? null : 0));
    const known = state.cpu === null ? cpus : [];
    const all = new Map([...known.map((number) => [String(number), idle]), ...cells.lines]);
    const rows = [...all].sort((a, b) => Number(a[0]) - Number(b[0])).map(([cpu, values]) => ({ name: `CPU ${cpu}`, cpu: Number(cpu), values }));
    map = heatmap(heat, { label: heatTitle.textContent, times: cells.times, lengths: cells.lengths, step, rows, from: start, until: end, share, zoomed, kept,
      activate: (row) => change({ cpu: state.cpu === row.cpu ? null : row.cpu, irq: "", device: "", by: "" }) });
    shown.push(map);
    if (!lines.size) {
      fill(chart, empty);
      return;
    }
    const mine = running;
    const drawn = await stacked(chart, { label: `${chartTitle.textContent}, stacked`, times, series: largest(lines, LINES), from: start, until: end, format,
      marks: cycleMarks(decided), marked: (mark) => list.reveal(mark.key), zoomed });
    // Another range may have been asked for while the library was fetched.
    if (mine === running && !signal.aborted) shown.push(drawn);
    else drawn.close();
  }

  function lineName(name, answer) {
    if (answer.by === "cpu") return `CPU ${name}`;
    return answer.names[name] || name.split("/").at(-1) || name;
  }

  function emptyText(length) {
    if (state.what === "load" && state.by !== "kind") {
      return `No load was recorded in these ${span(length)}${subjectText() ? ` for ${subjectText()}` : ""}: the history stores a sample every so often (history: every in irqbal.yaml), none while the daemon is down, and the load of single IRQs only once their cost is known. Choose “interrupts a second” to see what was counted.`;
    }
    return `The history has no ${state.what} in these ${span(length)}${subjectText() ? ` for ${subjectText()}` : ""}. It stores a sample every so often (history: every in irqbal.yaml), and none while the daemon is down.`;
  }

  function save() {
    if (!state.data) return;
    const { times, lines } = state.data;
    const keys = [...lines.keys()];
    const rows = times.map((at, index) => [new Date(at * 1000).toISOString(), ...keys.map((name) => {
      const value = lines.get(name)[index];
      return value === null ? "" : Math.round(value * 1e6) / 1e6;
    })]);
    const unit = state.what === "load" ? "share of a CPU" : `${state.what}/s`;
    const [start] = bounds();
    download(`irqbal-${state.what}-${state.by}-${new Date(start * 1000).toISOString().slice(0, 19).replaceAll(":", "")}.csv`, csv([["at", ...keys.map((name) => `${name} (${unit})`)], ...rows]));
  }

  controls();
  cpus = (await api.get("/cpus", {}, signal)).filter(({ online }) => online).map(({ number }) => number);
  await load();
  Promise.all([api.get("/findings", {}, signal), api.get("/devices", {}, signal), api.get("/irqs", {}, signal)]).then(([findings, devices, irqs]) => {
    const mine = findings.findings.filter(({ code }) => code === "outbox" || code === "no-history");
    fill(found, mine.length > 0 && h("section", { class: "box", "aria-label": "What to do" }, findingList(mine, link)));
    const nics = [...deviceNames(devices).values()].flatMap((text) => text.split(", "));
    fill(names, [...nics, ...irqs.map((irq) => `IRQ ${irq.number}`), ...cpus.map((number) => `CPU ${number}`)].map((value) => h("option", { value })));
  }).catch(() => {});
  // An update would end a drag.
  let held = false;
  charts.addEventListener("pointerdown", () => { held = true; });
  for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => { held = false; }, { signal });
  await context.every(async () => { if (!held && state.end === null && state.length <= 3600 && live.status) await load(); }, 5000);
}

const stepOf = (length) => Math.max(1, Math.ceil(length / 300));
