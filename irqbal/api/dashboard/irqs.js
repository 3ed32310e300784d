// The table of IRQs, its filter, and the model of the matrix of IRQs and CPUs.

import { BUSY, bin, holds, load, members, ranges, rate, size } from "./format.js";
import { Table } from "./table.js";

/** Interfaces and disks by PCI address. */
export function deviceNames(devices) {
  return new Map(devices.map((device) => [device.address, [...device.interfaces.map(({ name }) => name), ...device.disks].join(", ") || device.driver]));
}

/** Whether a busy IRQ is handled off its device's node although it could be moved. */
export const remote = (irq) => !irq.local && irq.movable && irq.rate >= BUSY;

export const placedBy = (irq) => (irq.override ? "override" : irq.policy || (irq.movable ? "" : "the kernel"));

/** Who placed an IRQ, in words; what a dry run or a refused write did not do is not told as done. */
export function placement(irq, dryRun) {
  const by = placedBy(irq);
  if (irq.planned !== null && irq.planned !== undefined) return `would be put on ${irq.planned} by ${by}`;
  if (!by) return "no policy";
  return dryRun && !irq.override && irq.policy ? `would be kept here by ${by}` : by;
}

/** The text that the filter searches. */
function words(irq, names) {
  return `${irq.number} ${irq.name} ${irq.queues.map(({ name, index }) => `${name} ${name}-${index}`).join(" ")} ${irq.device ?? ""} ${
    names.get(irq.device) ?? ""} ${placedBy(irq)} node${irq.node} ${remote(irq) ? "remote" : ""}`.toLowerCase();
}

export function filtered(irqs, names, text, hideIdle) {
  const required = text.toLowerCase().split(/\s+/).filter(Boolean);
  return irqs.filter((irq) => {
    if (hideIdle && !(irq.rate >= BUSY)) return false;
    if (!required.length) return true;
    const all = words(irq, names);
    return required.every((word) => all.includes(word));
  });
}

/** `dryRun()`: whether what the plan says is not carried out. */
export function irqTable(link, names, dryRun, extra = {}) {
  return new Table({
    caption: "IRQs", key: (irq) => irq.number, page: 50, by: "-load",
    columns: [
      { name: "IRQ", text: (irq) => `${irq.number} ${irq.name}`, sort: (irq) => irq.number, href: (irq) => link(`irq/${irq.number}`) },
      { name: "Device", text: (irq) => names().get(irq.device) ?? irq.device ?? "–", sort: (irq) => names().get(irq.device) ?? "" },
      { name: "Node", num: true, text: (irq) => (irq.node < 0 ? "–" : String(irq.node)), sort: (irq) => irq.node },
      { name: "Rate", num: true, text: (irq) => rate(irq.rate), sort: (irq) => irq.rate },
      { name: "Load", num: true, text: (irq) => load(irq.load), sort: (irq) => irq.load },
      { name: "Affinity", text: (irq) => irq.affinity, title: (irq) => irq.affinity, css: () => "cpus" },
      { name: "Delivered to", text: (irq) => irq.effective + (irq.local ? "" : " (remote)"), sort: (irq) => members(irq.effective)[0] ?? -1,
        css: (irq) => (remote(irq) ? "cpus warn" : "cpus"), title: (irq) => (irq.local ? "" : "not on the device's node") },
      { name: "Placed by", text: (irq) => placement(irq, dryRun()), sort: placedBy },
    ],
    ...extra,
  });
}

/** The model of the matrix: one row for each IRQ, one column for each CPU. */
export class IrqModel {
  constructor(activate) {
    this.list = [];
    this.cpus = [];
    this.go = activate;
    this.dryRun = false;
  }

  get rows() { return this.list.length; }
  get empty() { return "No IRQ to show: the filter matches none, or only idle ones, which are hidden."; }
  get columns() { return this.cpus.length; }
  set(list, cpus) {
    this.list = list;
    if (this.cpus.length !== cpus.length || this.place === undefined) {
      // CPU numbers may have gaps.
      this.place = new Map(cpus.map((cpu, index) => [cpu.number, index]));
    }
    this.cpus = cpus;
  }

  rowLabel(row) { const irq = this.list[row]; return `${irq.number} ${irq.name}`; }
  columnLabel(column) { return String(this.cpus[column]?.number ?? ""); }
  edge(column) { return column > 0 && (this.cpus[column].node !== this.cpus[column - 1].node || this.cpus[column].package !== this.cpus[column - 1].package); }
  weight(row) { return this.list[row].load; }
  home(row) { return this.place.get(members(this.list[row].effective)[0]); }
  activate(row) { this.go(this.list[row]); }

  paint(context, row, x, y, width, height, colours) {
    const irq = this.list[row];
    context.fillStyle = colours.tint;
    const tall = Math.max(1, height - 1);
    if (height > 3 && size(irq.affinity) < this.cpus.length) {
      for (const [first, last] of ranges(irq.affinity)) {
        const [from, to] = [this.place.get(first), this.place.get(last)];
        if (from !== undefined && to !== undefined) context.fillRect(x(from), y, (to - from + 1) * width, tall);
      }
    }
    const parts = size(irq.effective);
    if (!parts || (parts > 1 && !(irq.rate >= BUSY))) return;
    context.fillStyle = colours.steps[bin(irq.load / parts, irq.rate >= BUSY)];
    const broad = Math.max(width, 3);
    for (const [first, last] of ranges(irq.effective)) {
      for (let cpu = first; cpu <= last; cpu++) {
        const at = this.place.get(cpu);
        if (at === undefined) continue;
        context.fillRect(x(at) - (broad - width) / 2, y, broad, tall);
        if (remote(irq)) {
          context.strokeStyle = colours.bad;
          context.lineWidth = 1.5;
          context.strokeRect(x(at) - (broad - width) / 2 + 0.75, y + 0.75, Math.max(2, broad - 1.5), tall - 1.5);
        }
      }
    }
  }

  describe(row, column) {
    const irq = this.list[row];
    const lines = [`${irq.number} ${irq.name}`, `${rate(irq.rate)}, load ${load(irq.load)}`,
      `delivered to CPU ${irq.effective || "none"}${irq.local ? "" : `, not on its device's node ${irq.node}`}`,
      `affinity ${irq.affinity}; ${irq.planned || this.dryRun ? placement(irq, this.dryRun) : `placed by ${placedBy(irq) || "no policy"}`}`];
    const cpu = this.cpus[column];
    if (cpu && !holds(irq.effective, cpu.number)) {
      lines.push(`CPU ${cpu.number}: ${holds(irq.affinity, cpu.number) ? "allowed, not used" : "not allowed"}`);
    }
    return lines;
  }
}
