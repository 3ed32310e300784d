// One IRQ: its facts, why it is where it is, an override, and its history. Without a number: the list of all IRQs.

import { errorBox } from "./api.js";
import { ratesOf, largest, stacked } from "./chart.js";
import { CpuMap, legend } from "./cpumap.js";
import { decisionTable } from "./decided.js";
import { field, fill, h, measured, writeText, select } from "./dom.js";
import { clock, load, members, parseSet, plural, rate, seconds, setText, span } from "./format.js";
import { deviceNames, filtered, irqTable, placedBy } from "./irqs.js";

export async function mount(root, context) {
  await (context.argument ? one(root, context) : all(root, context));
}

async function all(root, context) {
  const { api, link, signal } = context;
  let [names, irqs, text] = [new Map(), [], context.query.get("q") ?? ""];
  const table = irqTable(link, () => names, { empty: "No IRQ matches the filter.", order: { index: 3, down: true } });
  const draw = () => measured("table", () => table.set(filtered(irqs, names, text, false)));
  const input = h("input", { type: "search", value: text, placeholder: "a number, name, device or policy", "aria-label": "Filter IRQs",
    on: { input: () => { text = input.value; draw(); } } });
  fill(root, h("h1", {}, "IRQs"), h("p", { class: "soft" }, "Choose an IRQ to see why it is where it is and its history, or to override it."),
    h("div", { class: "controls" }, input), h("section", { "aria-label": "IRQs" }, table.root));
  names = deviceNames(await api.get("/devices", {}, signal));
  await context.every(async () => { irqs = await api.get("/irqs", {}, signal); draw(); }, 3000);
}

const WORDS = {
  "claim": "claimed it", "claim (open)": "claimed it; later policies may choose within", "narrow": "chose within that", "limit": "limited it", "evict": "moved it off forbidden CPUs", "pass over": "came after the claim; would have chosen",
  "keep": "result: it stays", "move": "result: it is moved", "refuse": "refused", "override": "a person's override, which outranks all policies", "hold": "held back", "leave": "leaves it alone",
};

const EVIDENCE = {
  "netlink": "the kernel says so (netdev netlink)", "rank": "by its rank among the device’s vectors of its kind", "name": "by the number in its name",
  "only vector": "the device has no other vector", "policy": "a policy says so (irqbal_identify)",
};

async function one(root, context) {
  const { api, link, signal } = context;
  const path = `/irqs/${encodeURIComponent(context.argument)}`;
  const title = h("h1", {}, `IRQ ${context.argument}`);
  const sub = h("p", { class: "soft" });
  const facts = h("dl", { class: "facts" });
  const why = h("ol", { class: "chain" });
  const whyNot = h("p", {});
  const place = h("div", { class: "box override" });
  const chart = h("div", {}, h("p", { class: "soft" }, "Loading…"));
  const decisions = decisionTable("Decisions about this IRQ", link, { page: 10, empty: "No decision about it in the last day." });
  let explained = await api.get(`${path}/explain`, {}, signal);
  const number = explained.irq.number;
  const form = overrideForm(context, path, () => explained, () => {
    // The history stores it with the next cycle.
    setTimeout(() => past().catch(() => {}), 3000);
    return Promise.all([update(), context.live.refresh(signal)]);
  });
  fill(root, h("p", {}, h("a", { href: link("irq") }, "All IRQs")), title, sub, facts,
    h("section", { "aria-labelledby": "why-title" }, h("h2", { id: "why-title" }, "Why it is there"), whyNot, why),
    h("section", { "aria-labelledby": "over-title" }, h("h2", { id: "over-title" }, "Override"), fill(place, form.root)),
    h("section", { "aria-labelledby": "past-title" }, h("h2", { id: "past-title" }, "Its interrupts by CPU, the last hour"), chart),
    h("section", { "aria-labelledby": "dec-title" }, h("h2", { id: "dec-title" }, "Decisions about it, the last day"), decisions.root));

  function draw() {
    const { irq, steps, override } = explained;
    writeText(title, `IRQ ${irq.number} · ${irq.name}`);
    const served = irq.queues;
    const queue = served.length === 1 ? `${served[0].kind} queue ${served[0].index} of ${served[0].name}${served[0].active ? "" : " (not in use)"}`
      : served.length ? `${served.length} queues of ${[...new Set(served.map(({ name }) => name))].join(", ")}` : "";
    writeText(sub, [queue, irq.device, irq.chip].filter(Boolean).join(" · "));
    const rows = [
      ["Rate", rate(irq.rate)], ["Load", `${load(irq.load)} of a CPU`], ["Device’s NUMA node", irq.node < 0 ? "unknown" : irq.node],
      ["Affinity", irq.affinity], ["Effective affinity", `${irq.effective || "–"}${irq.local ? ", on the device’s node" : ", not on the device’s node"}`],
      ["Placed by", (placedBy(irq) || "no policy") + (irq.placed_ago ? `, ${span(seconds(irq.placed_ago))} ago` : "")],
      ["Generation", `${irq.generation}${irq.generation === 1 ? "" : " (set up again since irqbal started)"}`], ["Interrupts so far", irq.total === null ? "–" : irq.total.toLocaleString("en")],
    ];
    if (irq.evidence) rows.push(["How the queue is known", EVIDENCE[irq.evidence] ?? irq.evidence]);
    if (irq.hint) rows.push(["Driver’s hint", irq.hint]);
    table(facts, rows);
    writeText(whyNot, irq.unmovable ? `It cannot be moved: ${irq.unmovable}.` : steps.length ? "" : "No policy, limit or override applies to it: it is where the kernel, or another program before irqbal, put it.");
    const key = JSON.stringify(steps);
    if (why.dataset.key !== key) {
      why.dataset.key = key;
      fill(why, steps.map((step) => h("li", {}, h("b", {}, step.policy || "the planner"), ` ${WORDS[step.what] ?? step.what}`,
        step.cpus !== null && h("span", {}, ": ", h("code", {}, step.cpus || "no CPU")), h("div", { class: "soft" }, step.reason))));
    }
    form.draw(override);
  }

  async function update() {
    explained = await api.get(`${path}/explain`, {}, signal);
    measured("irq", draw);
  }

  let shownChart = null;
  async function past() {
    const answer = await api.get(`/irqs/${number}/history`, { start: "1h", step: "12s", by: "cpu" }, signal);
    const { times, lines } = ratesOf(answer, (cpu) => `CPU ${cpu}`);
    if (!times.length) {
      fill(chart, h("p", { class: "soft" }, "The history has no sample of it yet."));
      return;
    }
    const about = await api.get("/decisions", { irq: number, start: "24h", limit: 100 }, signal);
    decisions.set(about);
    shownChart?.close();
    shownChart = stacked(chart, { label: `Interrupts of IRQ ${number} by CPU`, times, series: largest(lines, 11, "other CPUs"), height: 220,
      marks: about.map((item) => ({ at: Date.parse(item.at) / 1000 })) });
  }
  signal.addEventListener("abort", () => shownChart?.close());
  draw();
  await form.ready();
  await context.every(update, 900);
  await past().catch((error) => { if (!signal.aborted) fill(chart, errorBox(error)); });
  const timer = setInterval(() => { if (!document.hidden) past().catch(() => {}); }, 30_000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function table(list, rows) {
  if (list.children.length !== rows.length) fill(list, rows.map(([name]) => h("div", {}, h("dt", {}, name), h("dd"))));
  rows.forEach(([, value], index) => writeText(list.children[index].lastChild, String(value)));
}

const LENGTHS = [["10m", "10 minutes"], ["1h", "an hour"], ["8h", "8 hours"], ["1d", "a day"], ["7d", "a week"], ["", "until cleared"]];

/** A form to choose CPUs on the map or type them, and the result of the write. */
function overrideForm(context, path, explained, changed) {
  const { api, signal } = context;
  let cpus = [];
  const text = h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "0-3,8", class: "short" });
  const map = new CpuMap({ label: "CPUs for this IRQ: choose one or more", pick: true, activate: () => { text.value = setText(map.picked); check(); } });
  const length = select(LENGTHS, "1h", () => {});
  const reason = h("input", { type: "text", maxlength: 1000, placeholder: "shown in the decisions" });
  const wrong = h("p", { class: "warn", role: "alert" });
  const answer = h("div", { "aria-live": "polite", class: "answer" });
  const present = h("div", { class: "present" });
  const button = h("button", { type: "submit", class: "main" }, "Set the override");
  text.addEventListener("input", () => check());
  const root = h("form", { novalidate: true, on: { submit: (event) => { event.preventDefault(); set(); } } }, present,
    h("div", { class: "row" }, field("CPUs", text), field("For", length), field("Reason", reason)), wrong,
    h("details", { open: true }, h("summary", {}, "Choose on the map"),
      h("p", { class: "soft" }, "A dot marks the CPUs of its present affinity, a thick edge the selected ones. Grey CPUs are offline."), legend(), map.root),
    h("div", { class: "buttons" }, button), answer);

  function check() {
    let picked = [];
    try {
      picked = parseSet(text.value, Math.max(...cpus.map(({ number }) => number)));
      const missing = picked.filter((number) => !map.cpus.get(number)?.online);
      writeText(wrong, missing.length ? `CPU ${setText(missing)} is offline.` : "");
    } catch (error) {
      writeText(wrong, error.message);
    }
    map.picked = new Set(picked);
    map.draw();
    return picked.length > 0 && !wrong.textContent;
  }

  async function set() {
    if (!check()) {
      if (!wrong.textContent) writeText(wrong, "Choose at least one CPU on the map, or type its number.");
      text.focus();
      return;
    }
    await act(async () => {
      const body = { cpus: setText(map.picked), expires_in: length.value || null, reason: reason.value };
      const done = await api.send("PUT", `${path}/override`, { body });
      return resultBox(done, `Override to ${done.override.cpus}. `);
    });
  }

  async function clear() {
    await act(async () => resultBox(await api.send("DELETE", `${path}/override`), "The override is cleared. ", true));
  }

  async function act(work) {
    button.disabled = true;
    fill(answer, h("p", { class: "soft" }, "Writing…"));
    try {
      fill(answer, await work());
      await changed();
    } catch (error) {
      if (!signal.aborted) fill(answer, errorBox(error));
    } finally {
      button.disabled = false;
    }
  }

  function resultBox(done, first, cleared = false) {
    const good = ["written", "unchanged", ""].includes(done.result);
    const words = { written: "The kernel accepted it", unchanged: "The mask was already right", "dry run": "A dry run: nothing was written", refused: "The kernel refused it",
      differs: "The kernel set another mask" };
    return h("div", { class: `box ${good ? "good" : "bad"}` },
      h("p", {}, first, cleared && done.result === "unchanged" ? "Nothing had to be written" : words[done.result] ?? (done.result && `Result: ${done.result}`),
        done.detail && `: ${done.detail}`, ". ", done.affinity && `Its mask is now ${done.affinity}.`),
      done.warnings?.map((line) => h("p", { class: "warn" }, `Note: ${line}.`)));
  }

  function draw(override) {
    const { irq } = explained();
    map.marks = new Set(members(irq.affinity));
    if (cpus.length) map.draw();
    const key = JSON.stringify(override);
    if (present.dataset.key === key) return;
    present.dataset.key = key;
    const until = override?.expires ? ` until ${clock(override.expires)}` : ", until cleared";
    fill(present, override
      ? [h("p", {}, h("b", {}, `Overridden to ${override.cpus}`), ` by ${override.who}${until}`, override.reason ? `: “${override.reason}”.` : "."),
        h("button", { type: "button", on: { click: clear } }, "Clear the override")]
      : h("p", { class: "soft" }, irq.movable ? "No override. An override outranks every policy until it expires or is cleared."
        : "The kernel owns this mask and will refuse an override."));
  }

  async function ready() {
    cpus = await api.get("/cpus", {}, signal);
    map.set(cpus);
    writeText(map.root.parentNode.querySelector("summary"), `Choose on the map (${plural(cpus.length, "CPU")})`);
  }
  return { root, draw, ready };
}
