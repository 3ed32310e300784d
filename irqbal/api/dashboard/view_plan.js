// Plan: what the last plan would change and why, before and after as forecast. In a dry run this is what would be made.

import { CpuMap, legend } from "./cpumap.js";
import { fill, h, measured, writeText } from "./dom.js";
import { clock, plural } from "./format.js";
import { forecastCpus, forecastFacts, why } from "./outlook.js";
import { Table } from "./table.js";
import { FindingBox } from "./todo.js";

export async function mount(root, context) {
  const { api, link, signal, url } = context;
  const sentence = h("p", { class: "verdict" });
  const todo = new FindingBox(context);
  const outlook = h("p", {});
  const facts = h("div", {});
  const map = new CpuMap({ label: "CPUs by the load that is forecast" });
  const maps = h("section", {}, h("h2", {}, "Where the load would be"), legend(), map.root);
  const moves = movesTable("Moves", link, { url });
  const settings = settingsTable(link);
  const refused = new Table({ caption: "Refused", key: (item) => `${item.irq} ${item.policy} ${item.code}`, page: 30, empty: "Nothing is refused.", columns: [
    { name: "IRQ", text: (item) => (item.irq === null ? "all" : `${item.irq} ${item.name}`), sort: (item) => item.irq ?? -1, href: (item) => (item.irq === null ? undefined : link(`irq/${item.irq}`)) },
    { name: "By", text: (item) => item.policy, sort: (item) => item.policy },
    { name: "Why not", text: (item) => item.reason, css: () => "why" }, { name: "What to do", text: (item) => item.advice, css: () => "why" }] });
  const movesTitle = h("h2", {});
  const settingsTitle = h("h2", {});
  fill(root, h("h1", {}, "Plan"), h("section", { class: "box" }, sentence, outlook, facts), todo.root,
    h("section", { "aria-label": "Moves" }, movesTitle, moves.root), h("section", { "aria-label": "Settings" }, settingsTitle, settings.root), maps,
    h("section", { "aria-label": "Refused" }, h("h2", {}, "Refused"), refused.root));
  await context.every(async () => {
    const [plan, cpus] = await Promise.all([api.get("/plan", {}, signal), api.get("/cpus", {}, signal), todo.update(({ code }) => ["no-plan", "dry-run", "refused"].includes(code))]);
    measured("plan", () => draw(plan, cpus));
  }, 2000);

  function draw({ cycle, forecast, outlook: words }, cpus) {
    const steering = settingsOf(cycle);
    const dry = cycle.dry_run;
    const done = (items) => items.filter((item) => item.result === "written" || item.result === "unchanged").length;
    const made = done(cycle.moves) + done(steering);
    writeText(sentence, cycle.problem ? `There is no plan: ${cycle.problem}.`
      : dry ? `${plural(cycle.moves.length, "move")} and ${plural(steering.length, "setting")} would be made; this is a dry run.`
        : cycle.moves.length + steering.length ? `${plural(made, "change")} of ${plural(cycle.moves.length, "move")} and ${plural(steering.length, "setting")} made in cycle ${cycle.cycle}, ${clock(cycle.at)}.`
          : `The plan of cycle ${cycle.cycle}, ${clock(cycle.at)}, changes nothing: ${plural(cycle.right, "IRQ is", "IRQs are")} where a policy wants them.`);
    writeText(outlook, dry && forecast ? words : "");
    fill(facts, dry && forecast && forecastFacts(forecast));
    maps.hidden = !(dry && forecast);
    if (dry && forecast) map.set(forecastCpus(forecast, cpus));
    writeText(movesTitle, dry ? "Moves that would be made" : "Moves");
    writeText(settingsTitle, dry ? "Settings that would be made" : "Settings");
    moves.set(cycle.moves);
    settings.set(steering);
    refused.set(cycle.refused);
  }
}

/** XPS, RPS and RFS settings, and the default mask, of a cycle. */
export function settingsOf(cycle) {
  const all = cycle.steering.map((item) => ({ ...item, what: `${item.setting === "flows" ? "RFS" : item.setting.toUpperCase()} of ${item.interface} queue ${item.queue}`, nic: item.interface }));
  if (cycle.default) all.push({ ...cycle.default, what: "default mask of new IRQs", nic: "" });
  return all;
}

export function movesTable(caption, link, extra = {}) {
  return new Table({
    caption, key: (move) => move.irq, page: 30, empty: "No IRQ is to be moved.",
    columns: [
      { name: "IRQ", text: (move) => `${move.irq} ${move.name}`, sort: (move) => move.irq, href: (move) => link(`irq/${move.irq}`) },
      { name: "From", text: (move) => move.from, css: () => "cpus", title: (move) => move.from },
      { name: "To", text: (move) => move.to, css: () => "cpus", title: (move) => move.to },
      { name: "By", text: (move) => move.policy, sort: (move) => move.policy },
      { name: "Why", text: why, css: () => "why" },
      { name: "Result", text: (move) => (move.result === "dry run" ? "not done: dry run" : move.detail || move.result), sort: (move) => move.result },
    ],
    ...extra,
  });
}

function settingsTable(link) {
  return new Table({
    caption: "Settings", key: (item) => item.what, page: 30, empty: "No setting is to be changed.",
    columns: [
      { name: "Setting", text: (item) => item.what, sort: (item) => item.what, href: (item) => (item.nic ? link(`nics/${item.nic}`) : undefined) },
      { name: "From", text: (item) => item.from || "not set", css: () => "cpus", title: (item) => item.from },
      { name: "To", text: (item) => item.to || "not set", css: () => "cpus", title: (item) => item.to },
      { name: "By", text: (item) => item.policy, sort: (item) => item.policy },
      { name: "Why", text: (item) => item.reason, css: () => "why" },
    ],
  });
}
