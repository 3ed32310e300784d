// A heat map of CPU × time on a canvas: each cell the load of one CPU in one step. It has a keyboard cursor and a tooltip.

import { announce, h, hideTip, showTip } from "./dom.js";
import { bin, clock, load, rate } from "./format.js";
import { palette } from "./matrix.js";

const GUTTER = 56;
const BOTTOM = 20;
const TALLEST = 420;

/**
 * `times`: seconds; `step`: their distance; `lengths`: what each covers, where samples are rarer than steps; `rows`: [{name, values}]
 * (null: no sample); `from`, `until`: the range; `share`: whether values are shares of a CPU, else rates, coloured against the largest;
 * `zoomed(start, end)`, `activate(row)`: called after a drag, a click or Enter; `kept`: what cursor() of the map before this one returned.
 * Returns {close, cursor}.
 */
export function heatmap(root, { label, times, step, lengths, rows, from, until, share, zoomed, activate, kept = null }) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const box = h("div", { class: "heat", tabindex: 0, role: "application", "aria-roledescription": "map",
    "aria-label": `${label}. Arrow keys move, Enter opens the CPU. The table of the same values is in the CSV file.` }, canvas);
  root.replaceChildren(box);
  const largest = rows.reduce((most, { values }) => values.reduce((best, value) => Math.max(best, value ?? 0), most), 0) || 1;
  const format = share ? load : rate;
  const tall = Math.max(3, Math.min(18, Math.floor((TALLEST - BOTTOM) / Math.max(1, rows.length))));
  const height = rows.length * tall + BOTTOM;
  let [cursor, drag, colours, width] = [[0, Math.max(0, times.length - 1)], null, null, 0];
  const x = (at) => GUTTER + (at - from) / (until - from) * (width - GUTTER);
  // A sample counts what was before it.
  const begin = (index) => Math.min(times[index], times[index] + step - lengths[index]);
  const left = (index) => Math.max(GUTTER, x(begin(index)));

  const draw = () => {
    if (!box.isConnected) return;
    colours ??= palette();
    width = box.clientWidth;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, height);
    rows.forEach(({ values }, row) => values.forEach((value, index) => {
      if (value === null) return;
      context.fillStyle = colours.steps[bin(share ? value : value / largest, value > 0)];
      context.fillRect(left(index), row * tall, Math.max(1, x(times[index] + step) - left(index) + 0.5), tall - (tall > 5 ? 1 : 0));
    }));
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colours.text;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const every = Math.ceil(13 / tall);
    rows.forEach(({ name }, row) => { if (row % every === 0) context.fillText(name, GUTTER - 6, row * tall + Math.max(tall, 12) / 2); });
    context.fillStyle = colours.soft;
    context.textAlign = "center";
    const ticks = Math.max(2, Math.floor((width - GUTTER) / 110));
    for (let index = 0; index <= ticks; index++) {
      const at = from + (until - from) * index / ticks;
      const text = clock(at * 1000).replace(/:\d\d$/, "");
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(width - half, Math.max(GUTTER + half, x(at))), height - BOTTOM / 2);
    }
    if (drag) {
      context.fillStyle = colours.accent;
      context.globalAlpha = 0.25;
      context.fillRect(Math.min(...drag), 0, Math.abs(drag[1] - drag[0]), height - BOTTOM);
      context.globalAlpha = 1;
    }
    if (document.activeElement === box && rows.length && times.length) {
      context.strokeStyle = colours.accent;
      context.lineWidth = 2;
      context.strokeRect(left(cursor[1]) - 1, cursor[0] * tall, Math.max(4, x(times[cursor[1]] + step) - left(cursor[1])) + 2, Math.max(4, tall));
    }
  };

  const describe = (row, index) => {
    const value = rows[row].values[index];
    return [rows[row].name, `${clock(times[index] * 1000)}: ${value === null ? "no sample" : format(value)}`];
  };
  const timeAt = (left) => from + (left - GUTTER) / Math.max(1, width - GUTTER) * (until - from);
  const under = (event) => {
    const at = box.getBoundingClientRect();
    const row = Math.floor((event.clientY - at.top) / tall);
    const when = timeAt(event.clientX - at.left);
    const index = times.findLastIndex((time, at) => begin(at) <= when && when < time + step);
    return row >= 0 && row < rows.length && index >= 0 ? [row, index] : null;
  };
  box.addEventListener("mousemove", (event) => {
    if (drag) {
      drag[1] = event.clientX - box.getBoundingClientRect().left;
      draw();
      return;
    }
    const at = under(event);
    if (at) showTip(event.clientX, event.clientY, describe(...at));
    else hideTip();
  });
  box.addEventListener("mouseleave", () => { hideTip(); if (drag) { drag = null; draw(); } });
  box.addEventListener("mousedown", (event) => { const left = event.clientX - box.getBoundingClientRect().left; drag = [left, left]; hideTip(); });
  box.addEventListener("mouseup", (event) => {
    const [start, end] = drag ?? [0, 0];
    drag = null;
    if (Math.abs(end - start) > 5) zoomed(Math.max(from, timeAt(Math.min(start, end))), Math.min(until, timeAt(Math.max(start, end))));
    else {
      const at = under(event);
      if (at) activate(rows[at[0]]);
    }
  });
  const point = () => {
    const at = box.getBoundingClientRect();
    showTip(at.left + left(cursor[1]), at.top + (cursor[0] + 1) * tall, describe(...cursor));
  };
  const speak = () => {
    if (!rows.length || !times.length) return;
    announce(describe(...cursor).join(", "));
    point();
  };
  box.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -times.length], End: [0, times.length], PageUp: [-16, 0], PageDown: [16, 0] }[event.key];
    if (event.key === "Enter" && rows.length) activate(rows[cursor[0]]);
    else if (way) {
      cursor = [Math.max(0, Math.min(rows.length - 1, cursor[0] + way[0])), Math.max(0, Math.min(times.length - 1, cursor[1] + way[1]))];
      draw();
      speak();
    } else return;
    event.preventDefault();
  });
  let quiet = false;
  box.addEventListener("focus", () => {
    draw();
    if (!quiet) speak();
  });
  box.addEventListener("blur", () => { hideTip(); draw(); });
  const watch = new ResizeObserver(() => draw());
  watch.observe(box);
  const recolour = () => { colours = null; draw(); };
  addEventListener("irqbal-theme", recolour);
  draw();
  if (kept && rows.length && times.length) {
    const nearest = times.findLastIndex((time) => time <= kept.at + step / 2);
    cursor = [Math.max(0, rows.findIndex(({ name }) => name === kept.name)), Math.max(0, nearest)];
    if (kept.focused) {
      // An update is not announced: the cursor is where it was.
      quiet = true;
      box.focus({ preventScroll: true });
      quiet = false;
      point();
    }
  }
  return {
    close: () => { watch.disconnect(); removeEventListener("irqbal-theme", recolour); hideTip(); },
    cursor: () => (rows.length && times.length ? { name: rows[cursor[0]].name, at: times[cursor[1]], focused: document.activeElement === box } : null),
  };
}
