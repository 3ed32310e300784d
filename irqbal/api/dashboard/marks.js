// Marks of decisions on a chart: a shape and a colour for each kind of cycle.

import { h } from "./dom.js";

const triangle = (context, x, top, ratio) => {
  context.beginPath();
  context.moveTo(x - 5 * ratio, top - 1);
  context.lineTo(x + 5 * ratio, top - 1);
  context.lineTo(x, top + 7 * ratio);
  context.fill();
};
const square = (context, x, top, ratio) => context.fillRect(x - 4 * ratio, top - 1, 8 * ratio, 8 * ratio);
const circle = (context, x, top, ratio) => {
  context.beginPath();
  context.arc(x, top + 4 * ratio, 5 * ratio, 0, 2 * Math.PI);
  context.fill();
};

/** The kinds of cycles, each with its sign in the legend. */
export const MARK_KINDS = {
  bad: { draw: square, sign: "■", name: "a failure, a refusal, or a mask that others changed" },
  person: { draw: circle, sign: "●", name: "a person’s override or action" },
  move: { draw: triangle, sign: "▼", name: "moves and settings" },
};

export function kindOf(group) {
  if (group.bad) return "bad";
  return group.rows.some((row) => row.kind === "override" || row.kind === "action") ? "person" : "move";
}

export function markLegend() {
  return h("p", { class: "soft marks" }, "Marks: ", Object.entries(MARK_KINDS).map(([kind, { sign, name }]) => [h("span", { class: `mark-${kind}`, "aria-hidden": "true" }, sign), ` ${name}; `]),
    "point at one to see it, choose it to unfold its cycle below. Drag over the chart to zoom in.");
}
