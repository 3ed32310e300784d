// Trials: two placements that took turns, what each measured, and the verdict.

import { errorBox } from "./api.js";
import { fill, h, scroller } from "./dom.js";
import { clock, span } from "./format.js";

const NAMES = {
  busiest: "Busiest CPU's time in interrupts", mean: "Mean CPU time in interrupts", "per-packet": "CPU time of a packet", squeezes: "Squeezes",
  drops: "Dropped packets", rescheduling: "Rescheduling interrupts", switches: "Context switches", stalled: "Time in which tasks waited",
  "run-delay": "Time for which tasks waited", command: "The number of the command",
};
const VERDICTS = {
  better: "B is better", worse: "B is worse", "no-difference": "No difference found", "too-few": "Too few windows", guarded: "Ended: one side was far worse", ended: "Ended early",
};
const HEADS = ["Measure", "A", "B", "B beside A", "Chance", "Differs"];

export async function mount(root, context) {
  const { api, link, signal, url, live } = context;
  const body = h("div", {});
  const answer = h("div", { "aria-live": "polite", class: "answer" });
  let key = null;
  fill(root, h("h1", {}, "Trials"),
    h("p", { class: "soft" }, "A trial lets two placements take turns on this host and compares what the kernel counts. ", h("code", {}, "irqbal trial"), " starts one."),
    answer, body);

  async function draw() {
    const trials = await api.get("/trials", {}, signal);
    const now = JSON.stringify([trials.map((one) => [one.id, one.phase, one.window]), url.get("id"), Math.floor(Date.now() / 5000)]);
    if (now === key) return;
    key = now;
    if (!trials.length) {
      fill(body, h("p", { class: "box", role: "status" }, "There was no trial on this host yet."));
      return;
    }
    const shown = trials.find((one) => one.id === url.get("id")) ?? trials[0];
    fill(body, one(shown), trials.length > 1 && h("section", { class: "box", "aria-labelledby": "trials-list" }, h("h2", { id: "trials-list" }, "All trials"),
      h("ul", {}, trials.map((item) => h("li", {}, h("a", { href: link("trials", { id: item.id }), "aria-current": item.id === shown.id && "true" },
        `${clock(item.started)} ${VERDICTS[item.result?.verdict] ?? "running"}`), ` – A: ${item.a}; B: ${item.b}`)))));
  }

  function one(trial) {
    const running = trial.phase !== "ended";
    const left = running && trial.ends ? `, about ${span(Math.max(0, (Date.parse(trial.ends) - Date.now()) / 1000))} left` : "";
    const primary = trial.result?.primary ?? (trial.command ? "command" : "busiest");
    return h("section", { class: "box", "aria-label": `Trial ${trial.id}` },
      h("h2", {}, running ? `Window ${trial.window + 1} of ${trial.windows}, side ${trial.side.toUpperCase()}${left}` : VERDICTS[trial.result.verdict]),
      h("p", { class: "verdict" }, trial.summary || "The verdict comes with the last window."),
      h("dl", { class: "tiles" }, [["A", trial.a], ["B", trial.b], ["Windows", `${trial.windows} of ${trial.length}`], ["Differ", `${trial.changes} masks and settings`], ["By", trial.who]]
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      distribution(trial.done, primary),
      trial.result?.compared?.length && table(trial.result.compared),
      running && !live.status?.central && h("p", {}, h("button", { type: "button", on: { click: (event) => end(trial, event.target) } }, "End it now"), " Everything is put back."));
  }

  async function end(trial, button) {
    button.disabled = true;
    try {
      await api.send("POST", `/trials/${trial.id}/end`);
      key = null;
      await draw();
    } catch (error) {
      if (!signal.aborted) fill(answer, errorBox(error));
      button.disabled = false;
    }
  }

  await context.every(draw, 1000);
}

/** The windows of both sides on one scale: a dot a window, a line at the median. */
function distribution(windows, measure) {
  const sides = ["a", "b"].map((side) => windows.filter((one) => one.side === side && one.values[measure] !== undefined).map((one) => one.values[measure]));
  const all = sides.flat();
  if (!all.length) return null;
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const place = (value) => 40 + 540 * (high > low ? (value - low) / (high - low) : 0.5);
  const lines = sides.flatMap((values, row) => {
    const y = 30 + 50 * row;
    const sorted = [...values].sort((first, second) => first - second);
    const middle = sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
    return [text(8, y + 5, row ? "B" : "A"), svg("line", { x1: 40, x2: 580, y1: y, y2: y, class: "rule" }),
      ...values.map((value, index) => svg("circle", { cx: place(value), cy: y + ((index % 5) - 2) * 4, r: 4, class: row ? "dot-b" : "dot-a" })),
      middle !== null && svg("line", { x1: place(middle), x2: place(middle), y1: y - 16, y2: y + 16, class: "median" })];
  });
  const said = sides.map((values, row) => `${row ? "B" : "A"}: ${values.length} windows, ${values.length ? `${value(measure, Math.min(...values))} to ${value(measure, Math.max(...values))}` : "none yet"}`).join("; ");
  return h("figure", { class: "distribution" }, h("figcaption", {}, `${NAMES[measure] ?? measure} by window; a line is the median`),
    svg("svg", { viewBox: "0 0 600 120", role: "img", "aria-label": `${NAMES[measure] ?? measure}. ${said}` }, ...lines,
      text(40, 115, value(measure, low)), text(580, 115, value(measure, high), "end")));
}

function table(compared) {
  const rows = compared.map((item) => {
    const cells = [NAMES[item.measure] ?? item.measure, value(item.measure, item.a), value(item.measure, item.b), effect(item), item.chance < 0.001 ? "<0.001" : item.chance.toPrecision(2), item.differs ? "yes" : "no"];
    return h("tr", { role: "row" }, cells.map((cell, index) => h(index ? "td" : "th", { role: index ? "cell" : "rowheader", scope: !index && "row", data: { name: HEADS[index] } }, h("span", {}, cell))));
  });
  return scroller("Measures", h("table", { class: "cards", role: "table" }, h("caption", { class: "unseen" }, "Measures of both sides"),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, HEADS.map((name) => h("th", { scope: "col", role: "columnheader" }, name)))), h("tbody", { role: "rowgroup" }, rows)));
}

function effect(item) {
  const word = item.effect < 0 ? "lower" : "higher";
  const share = (one) => (item.ratio ? `${Math.round(Math.abs(one) * 100)} %` : Math.abs(one).toPrecision(3));
  const known = item.low !== null && item.high !== null && item.low * item.high > 0;
  const ends = known ? [item.low, item.high].sort((a, b) => Math.abs(a) - Math.abs(b)) : [];
  return `${share(item.effect)} ${word}${known ? ` (${share(ends[0])} to ${share(ends[1])})` : ""}`;
}

function value(measure, number) {
  if (["busiest", "mean", "stalled"].includes(measure)) return `${(number * 100).toFixed(1)} %`;
  if (measure === "per-packet") return `${(number * 1e6).toFixed(2)} µs`;
  if (measure === "command") return number.toPrecision(4);
  return `${number >= 100 ? Math.round(number) : number.toPrecision(3)}/s`;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, one] of Object.entries(attributes)) node.setAttribute(name, one);
  node.append(...children.filter(Boolean));
  return node;
}

function text(x, y, words, anchor = "start") {
  return svg("text", { x, y, "text-anchor": anchor, class: "label" }, words);
}
