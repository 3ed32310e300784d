// Overrides: all placements by people, with their end, and what clearing one does.

import { errorBox } from "./api.js";
import { fill, h, scroller } from "./dom.js";
import { clock, span } from "./format.js";
import { clearedText, movedList } from "./overriding.js";

const HEADS = ["IRQ", "CPUs", "Until", "By", "Why", "Clear"];

export async function mount(root, context) {
  const { api, live, link, signal } = context;
  const list = h("div", {});
  const answer = h("div", { "aria-live": "polite", class: "answer" });
  let key = null;
  fill(root, h("h1", {}, "Overrides"),
    h("p", { class: "soft" }, "An override puts an IRQ on the CPUs that a person chose, against every policy, until it ends or is cleared. To set one, open an IRQ."),
    answer, list, h("p", {}, h("a", { href: link("irq") }, "All IRQs")));

  async function draw() {
    const items = await api.get("/overrides", {}, signal);
    const now = JSON.stringify([items, Math.floor(Date.now() / 30_000)]);
    if (now === key) return;
    key = now;
    if (!items.length) {
      fill(list, h("p", { class: "box", role: "status" }, "There are no overrides: policies place every IRQ."));
      return;
    }
    const body = h("tbody", { role: "rowgroup" }, items.map(line));
    const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, HEADS.map((name) => h("th", { scope: "col", role: "columnheader" }, name))));
    const table = h("table", { class: "cards", role: "table" }, h("caption", { class: "unseen" }, "Overrides"), head, body);
    fill(list, h("section", { "aria-label": "Overrides" }, scroller("Overrides", table)));
  }

  function line(item) {
    const cells = [item.irq === null ? `${item.name} (not present)` : h("a", { href: link(`irq/${item.irq}`) }, `${item.irq} ${item.name}`),
      item.cpus, until(item), item.who, item.reason || "–",
      live.status?.central ? "–" : h("button", { type: "button", "aria-label": `Clear the override of ${item.name}`, on: { click: (event) => clear(item, event.target) } }, "Clear")];
    return h("tr", { role: "row" }, cells.map((cell, index) => h(index ? "td" : "th",
      { role: index ? "cell" : "rowheader", scope: !index && "row", data: { name: HEADS[index] } }, h("span", {}, cell))));
  }

  async function clear(item, button) {
    button.disabled = true;
    try {
      const done = await api.send("DELETE", `/irqs/${encodeURIComponent(item.irq ?? item.identity)}/override`);
      fill(answer, h("div", { class: "box good" }, h("p", {}, `${item.irq === null ? item.name : `IRQ ${item.irq} (${item.name})`}: ${clearedText(done)}`), movedList(done.moves, link)));
      key = null;
      await draw();
    } catch (error) {
      if (!signal.aborted) fill(answer, errorBox(error));
      button.disabled = false;
    }
  }

  await context.every(draw, 2000);
}

function until({ expires }) {
  if (!expires) return "cleared";
  const left = (Date.parse(expires) - Date.now()) / 1000;
  return `${clock(expires)}, in ${span(Math.max(0, left))}`;
}
