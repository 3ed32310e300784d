// What setting and clearing an override did, in words: before and after, and what else moved.

import { h } from "./dom.js";
import { plural } from "./format.js";

const SHOWN = 12;
const WORDS = { written: "The kernel accepted it", unchanged: "The mask was already right", "dry run": "A dry run: nothing was written",
  refused: "The kernel refused it", differs: "The kernel set another mask" };

/** The result of setting one. */
export function resultText(done) {
  const from = done.before && done.before !== done.affinity ? `, before it was ${done.before}` : "";
  return `${WORDS[done.result] ?? `Result: ${done.result}`}${done.detail ? `: ${done.detail}` : ""}. Its mask is now ${done.affinity}${from}.`;
}

/** The result of clearing one. */
export function clearedText(done) {
  const start = "The override is cleared.";
  if (done.affinity === null) return `${start} The IRQ does not exist now.`;
  if (done.result === "unchanged") return `${start} No policy moved the IRQ: its mask stays ${done.affinity}.`;
  if (done.result === "written") return `${start} The IRQ is put back to ${done.affinity} by ${done.policy || "the policies"}; before it was ${done.before}.`;
  return `${start} ${WORDS[done.result] ?? done.result}${done.detail ? `: ${done.detail}` : ""}. Its mask is ${done.affinity}.`;
}

/** The other moves of the same cycle. */
export function movedList(moves, link) {
  if (!moves?.length) return h("p", { class: "soft" }, "No other IRQ was moved for it.");
  return [h("p", {}, `In the same cycle ${plural(moves.length, "other IRQ was", "other IRQs were")} moved:`),
    h("ul", {}, moves.slice(0, SHOWN).map((move) => h("li", {}, h("a", { href: link(`irq/${move.irq}`) }, `${move.irq} ${move.name}`), ` ${move.from} → ${move.to}, ${move.policy}: ${move.reason}`)),
      moves.length > SHOWN && h("li", {}, `and ${moves.length - SHOWN} more, in the decisions`))];
}
