// The CPUs as a map by package, node, L3 cache, core and thread: to read, or to choose CPUs from.

import { fill, h, hideTip, writeText, showTip } from "./dom.js";
import { BUSY, STEPS, bin, load, plural, rate } from "./format.js";

/** The legend of the load colours, which all views share. */
export function legend(...more) {
  const words = ["idle", ...STEPS.map((step, index) => (index ? `${Math.round(step * 100)} %` : "<1 %"))];
  return h("div", { class: "legend" },
    h("span", { class: "soft" }, "Interrupt load, in shares of one CPU:"),
    h("span", { class: "steps", role: "img", "aria-label": `colours from idle over ${STEPS.slice(1).map((step) => `${step * 100} %`).join(", ")} and more` },
      words.map((word, index) => h("span", { class: `step s${index}` }, index === 8 ? `${word}+` : word))),
    more);
}

export function placeText(cpu) {
  const l3 = cpu.l3 >= 0 ? `, L3 cache ${cpu.l3}` : "";
  return `package ${cpu.package}, node ${cpu.node}${l3}, core ${cpu.core}${cpu.siblings.includes(",") || cpu.siblings.includes("-") ? ` (threads ${cpu.siblings})` : ""}`;
}

export class CpuMap {
  /** `activate(number)`: called after a click on a CPU. `pick`: a click selects or deselects it; `picked` is the set selected. */
  constructor({ label, pick = false, activate = () => {} }) {
    Object.assign(this, { pick, activate, cells: new Map(), drawn: new Map(), picked: new Set(), marks: new Set(), cpus: new Map(), shape: "" });
    this.root = h("div", { class: `cpumap${pick ? " picker" : ""}`, role: "group", "aria-label": label });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => this.click(event));
    for (const kind of ["mouseover", "focusin"]) this.root.addEventListener(kind, (event) => this.showTip(event));
    for (const kind of ["mouseleave", "focusout"]) this.root.addEventListener(kind, hideTip);
  }

  set(cpus) {
    this.cpus = new Map(cpus.map((cpu) => [cpu.number, cpu]));
    const shape = cpus.map((cpu) => `${cpu.number}/${cpu.package}/${cpu.node}/${cpu.l3}/${cpu.core}`).join();
    if (shape !== this.shape) this.build(cpus, shape);
    this.draw();
  }

  build(cpus, shape) {
    this.shape = shape;
    this.cells.clear();
    this.drawn.clear();
    this.dense = cpus.length > 128;
    this.root.classList.toggle("dense", this.dense);
    this.root.classList.toggle("medium", cpus.length > 32 && cpus.length <= 128);
    this.root.classList.toggle("sparse", cpus.length <= 16);
    const several = new Set(cpus.map((cpu) => `${cpu.package} ${cpu.node} ${cpu.l3}`)).size > new Set(cpus.map((cpu) => `${cpu.package} ${cpu.node}`)).size;
    const boxes = groups(cpus, (cpu) => cpu.package).map(([number, mine]) => {
      const nodes = groups(mine, (cpu) => cpu.node);
      const one = nodes.length === 1;
      return h("div", { class: "package" },
        h("h3", {}, `Package ${number}${one ? ` · node ${nodes[0][0]}` : ""}`),
        nodes.map(([node, inside]) => h("div", { class: "node" }, !one && h("h4", {}, `Node ${node}`),
          h("div", { class: "caches" }, groups(inside, (cpu) => cpu.l3).map(([l3, sharing]) => h("div", { class: several ? "cache edged" : "cache" },
            several && h("h5", { title: "CPUs that share a last-level cache" }, `L3 ${l3}`),
            h("div", { class: "cores" }, groups(sharing, (cpu) => cpu.core).map(([, threads]) => h("div", { class: "core" }, threads.map((cpu) => this.cell(cpu)))))))))));
    });
    fill(this.root, boxes);
    const first = this.cells.values().next().value;
    if (first) first.tabIndex = 0;
  }

  cell(cpu) {
    const node = h("button", { type: "button", tabindex: -1, data: { cpu: cpu.number } }, h("b", {}, cpu.number), " ", h("i"));
    if (this.pick) node.setAttribute("aria-pressed", "false");
    this.cells.set(cpu.number, node);
    return node;
  }

  draw() {
    for (const [number, node] of this.cells) {
      const cpu = this.cpus.get(number);
      const picked = this.picked.has(number);
      const css = `s${cpu.online ? bin(cpu.load, cpu.rate >= BUSY) : 0}${cpu.online ? "" : " offline"}${cpu.isolated ? " isolated" : ""}${
        this.marks.has(number) ? " marked" : ""}${picked ? " picked" : ""}`;
      const share = cpu.online ? load(cpu.load) : "off";
      const drawn = css + share + cpu.irqs;
      if (this.drawn.get(number) === drawn) continue;
      this.drawn.set(number, drawn);
      if (node.className !== css) node.className = css;
      const text = share === "0 %" && cpu.rate >= BUSY ? "<1" : share.replace(" %", "");
      writeText(node.lastChild, text);
      // The label begins with the visible text, so that speech control finds the button by it (WCAG 2.5.3).
      node.setAttribute("aria-label", [`CPU ${number}`, cpu.online ? `${text} % load` : "off, offline", cpu.isolated && "isolated",
        this.marks.has(number) && "in use now"].filter(Boolean).join(", "));
      if (this.pick) {
        node.setAttribute("aria-pressed", String(picked));
        node.disabled = !cpu.online;
      }
    }
  }

  showTip(event) {
    const node = event.target.closest("button[data-cpu]");
    if (!node) return;
    const cpu = this.cpus.get(Number(node.dataset.cpu));
    const box = node.getBoundingClientRect();
    const lines = [`CPU ${cpu.number}`, placeText(cpu)];
    if (cpu.forecast) lines.push(cpu.forecast);
    else if (cpu.online) {
      lines.push(`load ${load(cpu.load)}: hard interrupts ${load(cpu.irq_time)}, softirqs ${load(cpu.softirq_time)}`);
      lines.push(`${plural(cpu.irqs, "busy IRQ")}, ${rate(cpu.rate)}`);
    } else lines.push("offline");
    if (cpu.isolated) lines.push(`isolated: ${cpu.isolated}`);
    showTip(box.right, box.bottom, lines);
  }

  click(event) {
    const node = event.target.closest("button[data-cpu]");
    if (!node) return;
    const number = Number(node.dataset.cpu);
    if (this.pick) {
      if (!this.picked.delete(number)) this.picked.add(number);
      this.draw();
    }
    this.rove(node);
    this.activate(number);
  }

  rove(node) {
    this.root.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    node.tabIndex = 0;
  }

  /** An arrow key moves to the nearest CPU in its direction; Tab leaves the map. */
  key(event) {
    const node = event.target.closest("button[data-cpu]");
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!node) return;
    const all = [...this.cells.values()].filter((other) => !other.disabled);
    let next = { Home: all[0], End: all.at(-1) }[event.key];
    if (way) {
      const from = node.getBoundingClientRect();
      let best = Infinity;
      for (const other of all) {
        const box = other.getBoundingClientRect();
        const [dx, dy] = [box.x - from.x, box.y - from.y];
        const along = dx * way[0] + dy * way[1];
        const across = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        const far = along + across * 4;
        if (along > 1 && far < best) [best, next] = [far, other];
      }
    }
    if (!next) return;
    event.preventDefault();
    this.rove(next);
    next.focus();
  }
}

function groups(items, by) {
  const found = new Map();
  for (const item of items) {
    const key = by(item);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(item);
  }
  return [...found].sort((a, b) => a[0] - b[0]);
}
