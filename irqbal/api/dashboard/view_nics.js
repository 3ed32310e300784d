// NICs: an interface's queues against the CPUs: where interrupts arrive, which CPUs send (XPS), which help to receive (RPS).

import { fill, h, measured, writeText, select } from "./dom.js";
import { BUSY, bin, holds, load, members, plural, ranges, rate, setText, size } from "./format.js";
import { Matrix } from "./matrix.js";
import { Table } from "./table.js";

export async function mount(root, context) {
  const { api, link, signal } = context;
  let data = { devices: [], irqs: [], cpus: [] };
  let name = context.argument;
  const model = new QueueModel((queue) => { if (queue.irq) location.hash = link(`irq/${queue.irq.number}`); });
  const matrix = new Matrix({ label: "Queues against CPUs", model, rowHeight: 17, labelWidth: 110,
    help: "Arrow keys move, plus and minus zoom, Enter opens the queue’s IRQ. The table below shows the same as text." });
  signal.addEventListener("abort", () => matrix.close());
  const choice = h("div", { class: "controls" });
  const about = h("p");
  const remarks = h("div", { "aria-live": "polite" });
  const table = queueTable(link);
  const body = h("div", {}, h("div", { class: "controls" }, choice, matrix.tools), about, remarks, legend(), matrix.root,
    h("section", { class: "below" }, h("h2", {}, "The same as a table"), table.root));
  fill(root, h("h1", {}, "NICs"), body);

  const interfaces = () => data.devices.flatMap((device) => device.interfaces.map((inner) => ({ ...inner, device })));

  function draw() {
    const all = interfaces();
    if (!all.length) {
      fill(body, h("p", { class: "box" }, "This host has no network card whose queues have IRQs of their own."));
      return;
    }
    const names = all.map((item) => item.name);
    if (!names.includes(name)) name = names[0];
    if (choice.dataset.key !== names.join()) {
      choice.dataset.key = names.join();
      const list = select(all.map((item) => [item.name, `${item.name} (${item.device.driver}, node ${item.device.node})`]), name,
        (picked) => { name = picked; globalThis.history.replaceState(null, "", link(`nics/${picked}`)); draw(); });
      list.id = "nic";
      fill(choice, h("label", { for: "nic" }, "Interface"), list);
    }
    const found = all.find((item) => item.name === name);
    const queues = queuesOf(found, data.irqs, data.cpus);
    const other = model.queues.length !== queues.length || model.name !== name || model.cpus.length !== data.cpus.length;
    model.set(name, queues, data.cpus, found.device.node);
    if (other) matrix.layout();
    else matrix.draw();
    writeText(about, `${found.name}: ${found.up ? "up" : "down"}, ${plural(queues.length, "queue")}, ${rate(found.device.rate)}, load ${load(found.device.load)} of a CPU in all. `
      + (found.device.node < 0 ? `The NUMA node of the card ${found.device.address} is unknown.`
        : `The card ${found.device.address} is on NUMA node ${found.device.node}: CPUs ${found.device.local_cpus}.`));
    drawRemarks(remarks, queues, found, data.cpus);
    table.set(queues);
  }

  await context.every(async () => {
    const fresh = data.cpus.length && data.irqs.length > 600 ? name : "";
    const [devices, irqs, cpus] = await Promise.all([
      api.get("/devices", {}, signal), api.get("/irqs", fresh ? { device: fresh } : {}, signal), api.get("/cpus", {}, signal)]);
    data = { devices, irqs: fresh ? [...data.irqs.filter((irq) => !irq.queues.some((queue) => queue.name === fresh)), ...irqs] : irqs, cpus };
    measured("nics", draw);
  }, 1500);
  matrix.layout();
}

/** The rows: each queue with its settings, its IRQ, and what is wrong with it (`remote`, `shared`). */
function queuesOf(found, irqs, cpus) {
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

function drawRemarks(root, queues, found, cpus) {
  const remote = queues.filter((queue) => queue.remote);
  const doubled = queues.filter((queue) => queue.shared.length);
  const key = JSON.stringify([found.name, remote.map((queue) => [queue.index, queue.cpu.number]), doubled.map((queue) => [queue.index, queue.cpu.number]), queues.filter((queue) => !queue.irq).length]);
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
  if (crowded) {
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
  if (!lines.length) {
    fill(root, h("p", { class: "box good" }, `Good: every queue is handled on the card’s own node${cores ? ", each on a core of its own" : ""}.`));
  } else fill(root, h("ul", { class: "box remarks" }, lines));
}

function legend() {
  return h("p", { class: "legend" },
    h("span", { class: "key s5" }, "interrupt"), " is delivered here (colour: load) ", h("span", { class: "key xps" }, "XPS"), " this CPU sends through the queue ",
    h("span", { class: "key rps" }, "RPS"), " helps to receive ", h("span", { class: "key remote" }, "remote"), " not on the card’s node ",
    h("span", { class: "key doubled" }, "shared core"), " two queues on one core");
}

class QueueModel {
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

function queueTable(link) {
  const none = (value, empty) => (value === null ? "none" : value || empty);
  return new Table({
    caption: "Queues of this interface", key: (queue) => `${queue.index} ${queue.irq?.number}`, page: 64, empty: "irqbal knows no queues of this interface.",
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
