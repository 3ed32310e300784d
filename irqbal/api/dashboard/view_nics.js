// NICs: all of them in a table, and a page for each: its queues against the CPUs, and what to do.

import { fill, h, measured, writeText } from "./dom.js";
import { load, plural, rate } from "./format.js";
import { Matrix } from "./matrix.js";
import { QueueModel, drawRemarks, queueLegend, queueTable, queuesOf } from "./queues.js";
import { Table } from "./table.js";
import { FindingBox, threadNic } from "./todo.js";

/** IRQs from which on the page is fetched less often. */
const MANY = 600;

export async function mount(root, context) {
  await (context.argument ? one(root, context) : all(root, context));
}

const interfacesOf = (devices) => devices.flatMap((device) => device.interfaces.map((inner) => ({ ...inner, device })));

/** Host, devices and findings, of one moment but for the devices' settings, which hardly change. */
async function read(api, signal) {
  const [devices, now] = await Promise.all([api.get("/devices", {}, signal), api.get("/now", {}, signal)]);
  return { ...now, devices };
}

/** The findings about an interface, its queues or their IRQs. */
function findingsOf(name, queues, { findings }) {
  const irqs = new Set(queues.map(({ irq }) => irq?.number).filter((number) => number !== undefined));
  return findings.findings.filter((item) => item.subject === name || item.subject.replace(/^[a-z]+:/, "").startsWith(`${name}/`) || irqs.has(item.irq) || threadNic(item) === name);
}

async function all(root, context) {
  const { api, link, signal, url } = context;
  const empty = "This host has no network interface whose queues have IRQs of their own.";
  const worst = (row) => row.queues.reduce((most, { irq }) => Math.max(most, irq?.load ?? 0), 0);
  const table = new Table({
    caption: "Network interfaces", url, by: "-load", page: 100, empty, key: (row) => row.name,
    columns: [
      { name: "Interface", text: (row) => row.name, sort: (row) => row.name, href: (row) => link(`nics/${row.name}`) },
      { name: "Driver", text: (row) => row.device.driver || "–", sort: (row) => row.device.driver },
      { name: "State", text: (row) => (row.up ? "up" : "down"), sort: (row) => String(row.up) },
      { name: "Node", num: true, text: (row) => (row.device.node < 0 ? "–" : String(row.device.node)), sort: (row) => row.device.node },
      { name: "Queues", num: true, text: (row) => String(new Set(row.queues.map(({ index }) => index)).size), sort: (row) => row.queues.length },
      { name: "Rate", num: true, text: (row) => rate(row.device.rate), sort: (row) => row.device.rate },
      { name: "Load", num: true, text: (row) => load(row.device.load), sort: (row) => row.device.load },
      { name: "Hottest queue", num: true, text: (row) => load(worst(row)), sort: worst },
      { name: "To do", text: (row) => (row.findings.length ? plural(row.findings.length, "thing", "things") : "nothing"), sort: (row) => row.findings.length,
        css: (row) => (row.findings.some(({ severity }) => severity === "warning") ? "warn" : "") },
    ],
  });
  fill(root, h("h1", {}, "NICs"), h("p", { class: "soft" }, "Choose an interface to see its queues, the CPUs that serve them, and what to do. The load is that of the whole card."),
    h("section", { "aria-label": "Network interfaces" }, table.root));
  let many = false;
  await context.every(async () => {
    const data = await read(api, signal);
    many = data.irqs.length > MANY;
    measured("nics", () => table.set(interfacesOf(data.devices).map((item) => {
      const queues = queuesOf(item, data.irqs, data.cpus);
      return { ...item, queues, findings: findingsOf(item.name, queues, data) };
    })));
  }, () => (many ? 4000 : 1500));
}

async function one(root, context) {
  const { api, link, signal, url, argument: name } = context;
  const model = new QueueModel((queue) => { if (queue.irq) location.hash = link(`irq/${queue.irq.number}`); });
  const matrix = new Matrix({ label: "Queues against CPUs", model, rowHeight: 17, labelWidth: 110,
    help: "Arrow keys move, plus and minus zoom, Enter opens the queue’s IRQ. The table below shows the same as text." });
  signal.addEventListener("abort", () => matrix.close());
  const facts = h("dl", { class: "facts" });
  const todo = new FindingBox(context);
  const remarks = h("div", { "aria-live": "polite" });
  const table = queueTable(link, url);
  const body = h("div", {}, todo.root, remarks, facts, queueLegend(), h("div", { class: "controls" }, matrix.tools), matrix.root,
    h("section", { class: "below" }, h("h2", {}, "The same as a table"), table.root),
    h("p", {}, h("a", { href: link("history", { device: name }) }, "Its history"), " · ", h("a", { href: link("decisions", { search: name }) }, "Decisions about it")));
  fill(root, h("p", {}, h("a", { href: link("nics") }, "All NICs")), h("h1", {}, `NIC ${name}`), body);
  let many = false;

  function draw(data) {
    const known = interfacesOf(data.devices);
    const found = known.find((item) => item.name === name);
    if (!found) {
      const others = known.map((item) => h("li", {}, h("a", { href: link(`nics/${item.name}`) }, item.name)));
      fill(body, h("p", { class: "box bad", role: "alert" }, `This host has no network interface “${name}” whose queues have IRQs of their own.`),
        others.length > 0 && [h("p", {}, "These have:"), h("ul", {}, others)]);
      return;
    }
    const queues = queuesOf(found, data.irqs, data.cpus);
    const other = model.queues.length !== queues.length || model.name !== name || model.cpus.length !== data.cpus.length;
    model.set(name, queues, data.cpus, found.device.node);
    if (other) matrix.layout();
    else matrix.draw();
    const { device } = found;
    const used = new Set(queues.filter(({ irq }) => irq).map(({ index }) => index)).size;
    const set = (key, words) => queues.filter((queue) => queue[key]).length ? `${queues.filter((queue) => queue[key]).length} of ${plural(queues.length, "queue")}` : words;
    const rows = [
      ["State", found.up ? "up" : "down"], ["Driver", device.driver || "–"], ["Card", device.address],
      ["NUMA node", device.node < 0 ? "unknown" : `${device.node}: CPUs ${device.local_cpus}`],
      ["Queues", `${plural(new Set(queues.map(({ index }) => index)).size, "queue")}, ${used} with an IRQ that is known`],
      ["Rate", rate(device.rate)], ["Load of the card", `${load(device.load)} of a CPU`],
      ["XPS", set("xps", "not set")], ["RPS", set("rps", "off")], ["RSS", rssText(found)],
    ];
    if (facts.children.length !== rows.length) fill(facts, rows.map(([label]) => h("div", {}, h("dt", {}, label), h("dd"))));
    rows.forEach(([, value], index) => writeText(facts.children[index].lastChild, String(value)));
    const findings = findingsOf(name, queues, data);
    todo.set(findings);
    drawRemarks(remarks, queues, found, data.cpus, !findings.length);
    table.set(queues);
  }

  await context.every(async () => {
    const data = await read(api, signal);
    many = data.irqs.length > MANY;
    measured("nics", () => draw(data));
  }, () => (many ? 2500 : 1500));
  matrix.layout();
}

/** How the card's hash spreads flows over its queues, as far as irqbal knows. */
function rssText(found) {
  const queues = found.rx.length;
  return queues > 1 ? `spreads flows over ${queues} receive queues (ethtool -x ${found.name} shows how)` : "one receive queue: nothing to spread";
}
