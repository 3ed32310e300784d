// History: interrupts over time, stacked by device or by CPU, with marks for decisions.

import { errorBox } from "./api.js";
import { largest, ratesOf, stacked } from "./chart.js";
import { decisionTable } from "./decided.js";
import { csv, download, field, fill, h, select } from "./dom.js";
import { clock, plural, span } from "./format.js";
import { deviceNames } from "./irqs.js";

const RANGES = [["60", "a minute"], ["300", "5 minutes"], ["900", "15 minutes"], ["3600", "an hour"], ["21600", "6 hours"], ["86400", "a day"], ["604800", "a week"],
  ["2592000", "30 days"], ["31536000", "a year"]];
const LINES = 11;

export async function mount(root, context) {
  const { api, link, signal } = context;
  const query = context.query;
  const state = { by: query.get("by") === "cpu" ? "cpu" : "device", length: Number(query.get("for")) || 900, start: Number(query.get("start")) || null,
    end: Number(query.get("end")) || null, data: null };
  const about = h("p", { class: "soft", role: "status" });
  const chart = h("div", { class: "holder" });
  const trouble = h("div");
  const table = decisionTable("Decisions in this time", link, { page: 20, empty: "Nothing was decided in this time." });
  const title = h("h2", {}, "Decisions in this time");
  const length = select(RANGES, String(state.length), (value) => { Object.assign(state, { length: Number(value), start: null, end: null }); load(); });
  const by = select([["device", "by device"], ["cpu", "by CPU"]], state.by, (value) => { state.by = value; load(); });
  const turn = (text, work, name) => h("button", { type: "button", title: name, "aria-label": name, on: { click: () => { work(); load(); } } }, text);
  const bounds = () => {
    const end = state.end ?? Date.now() / 1000;
    return [state.start ?? end - state.length, end];
  };
  const shift = (from, to) => {
    const [start, end] = bounds();
    const wide = end - start;
    Object.assign(state, { start: start + from * wide, end: Math.min(end + to * wide, Date.now() / 1000) });
  };
  const nowButton = turn("Now", () => Object.assign(state, { start: null, end: null }), "Back to now, with live updates");
  fill(root, h("h1", {}, "History"),
    h("div", { class: "controls" }, field("The last", length), field("Stacked", by),
      h("div", { class: "tools" },
        turn("◀", () => shift(-0.5, -0.5), "Earlier"), turn("▶", () => shift(0.5, 0.5), "Later"),
        turn("+", () => shift(0.25, -0.25), "Zoom in"), turn("−", () => shift(-0.5, 0.5), "Zoom out"), nowButton),
      h("button", { type: "button", on: { click: save } }, "Download CSV")),
    about, trouble, chart,
    h("p", { class: "soft" }, "Drag over the chart to zoom in. Triangles mark decisions, which are listed below."),
    h("section", { "aria-label": "Decisions in this time" }, title, table.root));

  let shown = null;
  let running = 0;
  signal.addEventListener("abort", () => shown?.close());

  async function load() {
    const mine = ++running;
    const [start, end] = bounds();
    nowButton.setAttribute("aria-pressed", String(state.end === null));
    try {
      const words = { start: new Date(start * 1000).toISOString(), end: new Date(end * 1000).toISOString() };
      const [series, decided] = await Promise.all([state.by === "cpu" ? byCpu(api, words, end - start, signal) : byDevice(api, words, end - start, signal),
        api.get("/decisions", { ...words, limit: 1000 }, signal)]);
      if (mine !== running || signal.aborted) return;
      state.data = series;
      draw(series, decided, start, end);
      fill(trouble);
    } catch (error) {
      if (mine === running && !signal.aborted) fill(trouble, errorBox(error));
    }
  }

  function draw({ times, lines }, decided, start, end) {
    const series = largest(lines, LINES);
    about.textContent = `Interrupts a second, ${clock(start * 1000)} to ${clock(end * 1000)}, ${plural(times.length, "point")}`;
    title.textContent = `Decisions in this time (${decided.length === 1000 ? "the newest 1,000" : decided.length})`;
    table.set(decided);
    shown?.close();
    shown = null;
    if (!times.length) {
      fill(chart, h("p", { class: "box" }, `The history has no sample of these ${span(end - start)}. It stores one every `, h("code", {}, "history: every"),
        " (irqbal.yaml), and none while the daemon is down."));
      return;
    }
    shown = stacked(chart, { label: `Interrupts a second, stacked by ${state.by}`, times, series, from: start, until: end,
      marks: decided.map((item) => ({ at: Date.parse(item.at) / 1000 })).reverse(),
      zoomed: (from, to) => { Object.assign(state, { start: from, end: to }); load(); } });
  }

  function save() {
    if (!state.data) return;
    const { times, lines } = state.data;
    const names = [...lines.keys()];
    const rows = times.map((at, index) => [new Date(at * 1000).toISOString(), ...names.map((name) => {
      const value = lines.get(name)[index];
      return value === null ? "" : Math.round(value * 1000) / 1000;
    })]);
    const [start] = bounds();
    download(`irqbal-${state.by}-${new Date(start * 1000).toISOString().slice(0, 19).replaceAll(":", "")}.csv`, csv([["at", ...names.map((name) => `${name} (interrupts/s)`)], ...rows]));
  }

  await load();
  await context.every(async () => { if (state.end === null && state.length <= 3600) await load(); }, 5000);
}

const step = (length) => `${Math.max(1, Math.ceil(length / 300))}s`;

async function byCpu(api, words, length, signal) {
  return ratesOf(await api.get("/cpus/history", { ...words, step: step(length), by: "cpu" }, signal), (cpu) => `CPU ${cpu}`);
}

/** One request for each of the busiest devices; the remainder of the total is one more line. */
async function byDevice(api, words, length, signal) {
  const devices = await api.get("/devices", {}, signal);
  const names = deviceNames(devices);
  const busiest = [...devices].sort((a, b) => b.rate - a.rate).slice(0, LINES - 1);
  const query = { ...words, step: step(length), by: "cpu" };
  const [whole, ...parts] = await Promise.all([api.get("/cpus/history", query, signal),
    ...busiest.map((device) => api.get(`/devices/${encodeURIComponent(device.address)}/history`, query, signal).catch((error) => {
      if (error.status === 404) return { points: [] };
      throw error;
    }))]);
  const total = ratesOf(whole, () => "total");
  const lines = new Map();
  const remainder = [...(total.lines.get("total") ?? [])];
  parts.forEach((answer, index) => {
    const found = ratesOf(answer, () => "sum");
    const byTime = new Map(found.times.map((at, place) => [at, found.lines.get("sum")?.[place] ?? 0]));
    const values = total.times.map((at, place) => (remainder[place] === null ? null : byTime.get(at) ?? 0));
    values.forEach((value, place) => { if (value !== null) remainder[place] = Math.max(0, remainder[place] - value); });
    const device = busiest[index];
    lines.set(names.get(device.address) || device.address, values);
  });
  if (remainder.some((value) => value > 0.5)) lines.set("everything else", remainder);
  return { times: total.times, lines };
}
