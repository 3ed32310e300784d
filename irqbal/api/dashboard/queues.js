// An interface's queues: where each one's interrupts arrive, which CPUs send through it (XPS), which help to receive (RPS).

import { fill, h } from "./dom.js";
import { BUSY, bin, holds, load, members, plural, ranges, rate, setText, size } from "./format.js";
import { Table } from "./table.js";

/**
 * What is worth knowing of an interface's queues: what its table marks. `well`: the host has no finding about it, so that this page
 * never says that all is well where another page has something to do.
 */
export function drawRemarks(root, queues, found, cpus, well) {
  const remote = queues.filter((queue) => queue.remote);
  const doubled = queues.filter((queue) => queue.shared.length);
  const key = JSON.stringify([found.name, well, queues.map(({ cpu }) => Boolean(cpu)), remote.map((queue) => [queue.index, queue.cpu.number]), doubled.map((queue) => [queue.index, queue.cpu.number]), queues.filter((queue) => !queue.irq).length]);
  if (root.dataset.key === key) return;
  root.dataset.key = key;
  const lines = [];
  const unknown = queues.filter((queue) => !queue.irq);
  if (unknown.length && queues.length > 0 && found.device.irqs.length) {
    lines.push(h("li", {}, h("b", {}, `Not recognised: queue ${setText(unknown.map(({ index }) => index))}.`),
      " irqbal does not know which interrupts of the card serve them, and spreads those on the card’s node. A policy can tell (irqbal_identify)."));
  }
  if (remote.length) {
    lines.push(h("li", {}, h("b", {}, `Remote: queue ${setText(remote.map(({ index }) => index))}.`),
      ` Handled on node ${setText(remote.map(({ cpu }) => cpu.node))}, while the card is on node ${found.device.node}: each packet crosses between the nodes’ memories.`));
  }
  const cores = new Set(cpus.filter((cpu) => cpu.online && cpu.node === found.device.node).map((cpu) => `${cpu.package}/${cpu.core}`)).size;
  const used = new Set(queues.filter((queue) => queue.irq && queue.active).map(({ index }) => index)).size;
  const crowded = cores > 0 && used > cores;
  // Where there is a finding it says the same, and knows whether queues may share a core.
  if (crowded && well) {
    lines.push(h("li", {}, h("b", {}, `${used} queues, and ${plural(cores, "core")} on the card’s node.`),
      " Some must share a core. With as many queues as cores (", h("code", {}, `ethtool -L ${found.name} combined ${cores}`), ") each has its own."));
  }
  const pairs = crowded ? new Map() : new Map(doubled.map((queue) => [`${queue.cpu.package}/${queue.cpu.core}`, queue]));
  for (const queue of [...pairs.values()].slice(0, 6)) {
    const all = [queue, ...queue.shared];
    const numbers = setText(all.map(({ cpu }) => cpu.number));
    lines.push(h("li", {}, h("b", {}, `One core for queues ${all.map(({ index }) => index).sort((a, b) => a - b).join(" and ")}.`),
      numbers.includes(",") || numbers.includes("-") ? ` CPUs ${numbers} are threads of one core, so these queues share its execution units.` : ` CPU ${numbers} serves them all.`));
  }
  if (pairs.size > 6) lines.push(h("li", {}, `And ${plural(pairs.size - 6, "more core")}, marked in the table.`));
  // Where interrupts arrive is known only of IRQs that are delivered to one CPU.
  const placed = queues.every((queue) => !queue.active || queue.cpu);
  const good = well && !lines.length && placed && queues.length > 0;
  const alone = "each on a core of its own";
  const praise = found.device.node < 0 ? `The queues are handled ${alone}; the card’s NUMA node is not known.`
    : `Every queue is handled on the card’s own node${cores ? `, ${alone}` : ""}.`;
  fill(root, lines.length > 0 && h("ul", { class: "box remarks" }, lines),
    good && h("p", { class: "box good" }, praise));
}

/** The rows: each queue with its settings, its IRQ, and what is wrong with it (`remote`, `shared`). */
export function queuesOf(found, irqs, cpus) {
  const mine = irqs.flatMap((irq) => irq.queues.filter(({ name }) => name === found.name).map((queue) => ({ irq, queue })));
  const place = new Map(cpus.map((cpu) => [cpu.number, cpu]));
  const count = Math.max(found.rx.length, found.tx.length, ...mine.map(({ queue }) => queue.index + 1), 0);
  const queues = [];
  for (let index = 0; index < count; index++) {
    const here = mine.filter(({ queue }) => queue.index === index);
    for (const { irq, queue } of here.length ? here : [{ irq: null, queue: null }]) {
      queues.push({ index, irq, kind: queue?.kind ?? "", active: queue?.active ?? true, xps: found.tx[index]?.xps ?? null,
        rps: found.rx[index]?.rps ?? null, flows: found.rx[index]?.flows ?? null, shared: [], remote: false });
    }
  }
  const byCore = new Map();
  for (const queue of queues) {
    if (!queue.irq || !queue.active) continue;
    const cpu = place.get(members(queue.irq.effective)[0]);
    if (!cpu || size(queue.irq.effective) !== 1) continue;
    queue.cpu = cpu;
    queue.remote = found.device.node >= 0 && cpu.node !== found.device.node;
    const key = `${cpu.package}/${cpu.core}`;
    byCore.set(key, [...(byCore.get(key) ?? []), queue]);
  }
  for (const sharing of byCore.values()) {
    // The Rx and Tx interrupts of one queue may share a core.
    if (new Set(sharing.map(({ index }) => index)).size < 2) continue;
    // One interrupt may serve several queues: they cannot be parted.
    for (const queue of sharing) queue.shared = sharing.filter((other) => other.irq !== queue.irq && other.index !== queue.index);
  }
  return queues;
}

export function queueLegend() {
  return h("p", { class: "legend" },
    h("span", { class: "key s5" }, "interrupt"), " is delivered here (colour: load) ", h("span", { class: "key xps" }, "XPS"), " this CPU sends through the queue ",
    h("span", { class: "key rps" }, "RPS"), " helps to receive ", h("span", { class: "key remote" }, "remote"), " not on the card’s node ",
    h("span", { class: "key doubled" }, "shared core"), " two queues on one core");
}

export class QueueModel {
  constructor(activate) {
    Object.assign(this, { queues: [], cpus: [], name: "", go: activate, place: new Map() });
  }

  get rows() { return this.queues.length; }
  get columns() { return this.cpus.length; }
  set(name, queues, cpus, node) {
    Object.assign(this, { name, queues, cpus, node });
    this.place = new Map(cpus.map((cpu, index) => [cpu.number, index]));
  }

  rowLabel(row) { const queue = this.queues[row]; return `${this.name} ${queue.kind} ${queue.index}`; }
  columnLabel(column) { return String(this.cpus[column]?.number ?? ""); }
  edge(column) { return column > 0 && this.cpus[column].node !== this.cpus[column - 1].node; }
  weight(row) { return this.queues[row].irq?.load ?? 0; }
  home(row) { return this.queues[row].cpu ? this.place.get(this.queues[row].cpu.number) : undefined; }
  activate(row) { this.go(this.queues[row]); }

  spans(text) {
    return ranges(text ?? "").map(([first, last]) => [this.place.get(first), this.place.get(last)]).filter(([from, to]) => from !== undefined && to !== undefined);
  }

  paint(context, row, x, y, width, height, colours) {
    const queue = this.queues[row];
    const tall = height - 1;
    context.fillStyle = colours.tint;
    for (const [from, to] of this.spans(queue.xps)) context.fillRect(x(from), y, (to - from + 1) * width, tall);
    context.fillStyle = colours.second;
    for (const [from, to] of this.spans(queue.rps)) context.fillRect(x(from), y + tall - 4, (to - from + 1) * width, 4);
    if (!queue.irq) return;
    const wide = size(queue.irq.effective) > 1;
    if (wide && !(queue.irq.rate >= BUSY)) return;
    context.fillStyle = colours.steps[bin(queue.irq.load, queue.irq.rate >= BUSY)];
    const broad = Math.max(width - 1, 4);
    for (const [from, to] of this.spans(queue.irq.effective)) {
      for (let at = from; at <= to; at++) {
        const left = x(at) + (width - broad) / 2;
        context.fillRect(left, y + 1, broad, tall - 2);
        context.lineWidth = 2;
        if (queue.remote || queue.shared.length) {
          context.strokeStyle = queue.remote ? colours.bad : colours.accent;
          context.strokeRect(left, y + 1, broad, tall - 2);
        }
      }
    }
  }

  describe(row, column) {
    const queue = this.queues[row];
    const cpu = this.cpus[column];
    const lines = [`${this.name} ${queue.kind} queue ${queue.index}`];
    if (queue.irq) lines.push(`IRQ ${queue.irq.number} on CPU ${queue.irq.effective}: ${rate(queue.irq.rate)}, load ${load(queue.irq.load)}`);
    if (cpu) {
      const parts = [];
      if (queue.xps && holds(queue.xps, cpu.number)) parts.push("sends through this queue (XPS)");
      if (queue.rps && holds(queue.rps, cpu.number)) parts.push("helps to receive (RPS)");
      lines.push(`CPU ${cpu.number}, node ${cpu.node}${parts.length ? `: ${parts.join(", ")}` : ""}`);
    }
    return [...lines, ...remarksOf(queue)];
  }
}

function remarksOf(queue) {
  const lines = [];
  if (!queue.active) lines.push("not in use");
  if (queue.remote) lines.push("remote: not on the card’s node");
  if (queue.shared.length) lines.push(`shares its core with queue ${setText(queue.shared.map(({ index }) => index))}`);
  return lines;
}

export function queueTable(link, url) {
  const none = (value, empty) => (value === null ? "none" : value || empty);
  return new Table({
    caption: "Queues of this interface", url, by: "-load", key: (queue) => `${queue.index} ${queue.irq?.number}`, page: 64, empty: "irqbal knows no queues of this interface.",
    columns: [
      { name: "Queue", text: (queue) => `${queue.kind} ${queue.index}`, sort: (queue) => queue.index, href: (queue) => (queue.irq ? link(`irq/${queue.irq.number}`) : undefined) },
      { name: "IRQ", num: true, text: (queue) => String(queue.irq?.number ?? "–"), sort: (queue) => queue.irq?.number ?? -1 },
      { name: "CPU", num: true, text: (queue) => queue.irq?.effective ?? "–", sort: (queue) => queue.cpu?.number ?? -1, css: () => "cpus" },
      { name: "Node", num: true, text: (queue) => String(queue.cpu?.node ?? "–"), sort: (queue) => queue.cpu?.node ?? -1 },
      { name: "Rate", num: true, text: (queue) => rate(queue.irq?.rate ?? 0), sort: (queue) => queue.irq?.rate ?? 0 },
      { name: "Load", num: true, text: (queue) => load(queue.irq?.load ?? 0), sort: (queue) => queue.irq?.load ?? 0 },
      { name: "XPS", text: (queue) => none(queue.xps, "not set"), title: (queue) => queue.xps ?? "the driver has no XPS", css: () => "cpus" },
      { name: "RPS", text: (queue) => none(queue.rps, "off"), title: (queue) => queue.rps ?? "", css: () => "cpus" },
      { name: "RFS", num: true, text: (queue) => (queue.flows === null ? "none" : queue.flows ? `${queue.flows} flows` : "off"), sort: (queue) => queue.flows ?? -1 },
      { name: "Remarks", text: (queue) => remarksOf(queue).join("; "), css: (queue) => (queue.remote || queue.shared.length ? "warn" : "") },
    ],
  });
}
