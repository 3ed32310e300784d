// Charts over time on uPlot: stacked areas, marks for the decisions of a cycle, zoom by dragging.

import { byCycle } from "./decided.js";
import { h, hideTip, showTip } from "./dom.js";
import { clock, rate } from "./format.js";
import { palette } from "./matrix.js";
import { MARK_KINDS, kindOf } from "./marks.js";

const LIGHT = ["#1d4f91", "#e07b39", "#3a8f5c", "#b0335a", "#7b5ea7", "#c9a227", "#2b9eb3", "#8c5a3c", "#6b8e23", "#d1679d", "#4a6fa5", "#888f99"];
const DARK = ["#6ea8fe", "#f0a35e", "#6fcf97", "#f27a9b", "#b79ced", "#e6c85c", "#63d2e6", "#c99a78", "#a8cf5a", "#f0a0cb", "#8fb3e6", "#a3abb5"];

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
  || (getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);

/**
 * A series of the API as rates: {times (s), lengths (s), usual (s), lines: name -> values}: interrupts and the like a second, of a load the share
 * of a CPU; `lengths` is what the samples of each point cover, `usual` their median. Times without samples become a gap: null in all lines.
 */
export function ratesOf(answer, sum) {
  const unit = answer.what === "load" ? 1e6 : 1;
  const times = [];
  const lengths = [];
  const gaps = [];
  const lines = new Map();
  let previous = null;
  const usual = answer.points.map((point) => point.seconds).sort((a, b) => a - b)[Math.floor(answer.points.length / 2)] ?? 0;
  for (const point of answer.points) {
    const at = Date.parse(point.at) / 1000;
    if (previous !== null && at - previous > 3 * Math.max(usual, 1)) {
      gaps.push(times.length);
      times.push(previous + usual);
      lengths.push(0);
    }
    previous = at;
    times.push(at);
    lengths.push(point.seconds);
    const index = times.length - 1;
    for (const [name, counted] of Object.entries(point.counts)) {
      const key = sum ? sum(name) : name;
      if (!lines.has(key)) lines.set(key, []);
      const values = lines.get(key);
      values[index] = (values[index] ?? 0) + counted / unit / (point.seconds || 1);
    }
  }
  for (const values of lines.values()) {
    for (let index = 0; index < times.length; index++) values[index] ??= 0;
    for (const index of gaps) values[index] = null;
  }
  return { times, lengths, usual, lines };
}

/** The `most` lines with the largest sums, and one line for the sum of the others. */
export function largest(lines, most, others = "all others") {
  const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0);
  const sorted = [...lines].map(([name, values]) => [name, values, total(values)]).filter(([, , sum]) => sum > 0).sort((a, b) => b[2] - a[2]);
  const found = sorted.slice(0, most).map(([name, values]) => ({ name, values }));
  const remaining = sorted.slice(most);
  if (remaining.length) {
    found.push({ name: `${others} (${remaining.length})`, values: remaining[0][1].map((first, index) => (first === null ? null : remaining.reduce((sum, [, values]) => sum + values[index], 0))) });
  }
  return found;
}

/**
 * A stacked chart in `root`. `series`: [{name, values}], the largest first (drawn at the bottom); `format`: a value as text;
 * `marks`: those of cycleMarks(); `marked(mark)`: called after a click on one; `zoomed(start, end)`: called with times in seconds
 * after dragging. Returns {close}.
 */
export async function stacked(root, { label, times, series, marks = [], marked = null, zoomed = null, height = 300, from = null, until = null, format = rate }) {
  const figure = h("figure", { class: "chart", role: "group", "aria-label": label });
  root.replaceChildren(figure);
  const uPlot = await library();
  if (!figure.isConnected) return { close: () => {} };
  let plot = null;
  const build = () => {
    plot?.destroy();
    const colours = palette();
    const paints = isDark() ? DARK : LIGHT;
    const sums = [];
    series.forEach(({ values }, index) => {
      sums.push(values.map((value, at) => (value === null ? null : value + (index ? sums[index - 1][at] ?? 0 : 0))));
    });
    // Draw the topmost area first: the lower ones cover it.
    const order = series.map((_, index) => index).reverse();
    const axis = { stroke: colours.soft, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1 }, font: "11px system-ui" };
    plot = new uPlot({
      width: Math.max(260, figure.clientWidth), height,
      cursor: { drag: { x: Boolean(zoomed), y: false, setScale: false } },
      scales: { x: { time: true, range: from === null ? undefined : () => [from, until] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      axes: [{ ...axis, values: (_, splits, __, ___, step) => splits.map((at) => tick(at, step)) }, { ...axis, size: 62, values: (_, splits) => splits.map(format) }],
      series: [
        { label: "at", value: (_, at) => (at === null ? "–" : clock(at * 1000)) },
        ...order.map((index) => ({
          label: series[index].name, stroke: paints[index % paints.length], fill: paints[index % paints.length], width: 1, points: { show: times.length < 3 }, paths: uPlot.paths.stepped({ align: 1 }),
          value: (_, raw, __, at) => (at === null || raw === null ? "–" : format(series[index].values[at])),
        })),
      ],
      hooks: {
        draw: [(chart) => drawMarks(chart, marks, colours)],
        setSelect: [(chart) => {
          if (!zoomed || chart.select.width < 5) return;
          zoomed(chart.posToVal(chart.select.left, "x"), chart.posToVal(chart.select.left + chart.select.width, "x"));
        }],
      },
    }, [times, ...order.map((index) => sums[index])], figure);
    markTips(plot, marks, marked);
  };
  build();
  const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(260, figure.clientWidth), height }));
  watch.observe(figure);
  addEventListener("irqbal-theme", build);
  return { close: () => { watch.disconnect(); removeEventListener("irqbal-theme", build); plot.destroy(); } };
}

let loading = null;
/** uPlot, which is fetched with the first chart. */
function library() {
  loading ??= new Promise((resolve, reject) => {
    const failed = () => {
      loading = null;
      reject(new Error("The chart cannot be drawn: the daemon did not send uPlot. Reload the page to try again."));
    };
    document.head.append(h("link", { rel: "stylesheet", href: "/dashboard/uPlot.min.css" }),
      h("script", { src: "/dashboard/uPlot.iife.min.js", on: { load: () => resolve(globalThis.uPlot), error: failed } }));
  });
  return loading;
}

function tick(at, step) {
  const moment = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  if (step >= 86_400) return day;
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  return step < 60 ? `${time}:${two(moment.getSeconds())}` : moment.getHours() + moment.getMinutes() === 0 ? day : time;
}

function drawMarks(chart, marks, colours) {
  const { ctx: context, bbox } = chart;
  const ratio = devicePixelRatio || 1;
  context.save();
  for (const mark of marks) {
    const x = Math.round(chart.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    context.fillStyle = mark.kind === "bad" ? colours.bad : mark.kind === "person" ? colours.second : colours.accent;
    context.globalAlpha = 0.45;
    context.fillRect(x, bbox.top, ratio, bbox.height);
    context.globalAlpha = 1;
    MARK_KINDS[mark.kind].draw(context, x, bbox.top, ratio);
  }
  context.restore();
}

/** One mark for each cycle that decided something, of these decisions: {at (s), kind, title, key, lines}. */
export function cycleMarks(decisions) {
  return byCycle(decisions).map((group) => ({ at: Date.parse(group.at) / 1000, kind: kindOf(group), title: group.title, key: group.key,
    lines: group.rows.slice(0, 6).map((row) => `${row.irq ?? ""} ${row.name || row.identity || row.policy} ${row.from || row.to ? `${row.from || "–"} → ${row.to || "–"}` : row.reason}`.trim()) }))
    .sort((a, b) => a.at - b.at);
}

/** The nearest mark within 6 px of the pointer is told in the tooltip; a click opens it. */
function markTips(plot, marks, marked) {
  if (!marks.length) return;
  const nearest = (event) => {
    const left = event.clientX - plot.over.getBoundingClientRect().left;
    let best = null;
    let far = 6;
    for (const mark of marks) {
      const away = Math.abs(plot.valToPos(mark.at, "x") - left);
      if (away < far) [best, far] = [mark, away];
    }
    return best;
  };
  plot.over.addEventListener("mousemove", (event) => {
    const mark = nearest(event);
    plot.over.style.cursor = mark && marked ? "pointer" : "";
    if (mark) showTip(event.clientX, event.clientY, [mark.title, ...mark.lines]);
    else hideTip();
  });
  plot.over.addEventListener("mouseleave", hideTip);
  if (!marked) return;
  let down = 0;
  plot.over.addEventListener("mousedown", (event) => { down = event.clientX; });
  plot.over.addEventListener("click", (event) => {
    const mark = nearest(event);
    // A drag zooms.
    if (mark && Math.abs(event.clientX - down) < 4) {
      hideTip();
      marked(mark);
    }
  });
}
