// What if: a plan with other policies beside the plan with the enabled ones. Nothing is written.

import { errorBox } from "./api.js";
import { CpuMap, legend } from "./cpumap.js";
import { fill, h, writeText, toast } from "./dom.js";
import { clock, load, plural } from "./format.js";
import { forecastCpus, why } from "./outlook.js";
import { Table } from "./table.js";

/** The last result, which stays when the view is left. */
let kept = null;

export async function mount(root, context) {
  const { api, link, signal } = context;
  const numbers = h("pre", { class: "lines", "aria-hidden": "true" });
  const area = h("textarea", { id: "yaml", spellcheck: "false", rows: 8, "aria-describedby": "yaml-help", wrap: "off" });
  const result = h("div", { class: "result", "aria-live": "polite" });
  const button = h("button", { type: "button", class: "main", on: { click: plan } }, "Plan");
  fill(root, h("h1", {}, "What if"),
    h("p", { class: "soft", id: "yaml-help" }, "Edit the policies as in irqbal.yaml, and see what irqbal would do with them now. Nothing is written. ",
      "Ctrl+Enter plans. To enable them, copy the text into irqbal.yaml on the host and send the daemon a SIGHUP."),
    h("label", { for: "yaml" }, "Policies (YAML)"),
    h("div", { class: "editor" }, numbers, area),
    h("div", { class: "buttons" }, button,
      h("button", { type: "button", on: { click: () => copy(area.value, "The YAML is copied.") } }, "Copy the YAML"),
      h("button", { type: "button", on: { click: async () => { area.value = await present(); count(); } } }, "Today’s policies")),
    result);
  const count = () => {
    const lines = area.value.split("\n");
    numbers.textContent = lines.map((_, index) => index + 1).join("\n");
    area.rows = Math.max(8, Math.min(24, lines.length + 1));
    sessionStorage.setItem("irqbal.what-if", area.value);
  };
  area.addEventListener("input", count);
  area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      plan();
    }
  });
  const options = h("details", {}, h("summary", {}, "The policies’ options"));
  result.after(options);
  const present = async () => {
    const policies = await api.get("/policies", {}, signal);
    fill(options, options.firstChild, optionsOf(policies));
    return asYaml(policies);
  };
  const today = await present();
  area.value = sessionStorage.getItem("irqbal.what-if") || today;
  count();
  if (kept && kept.host === api.host) drawKept();

  async function plan() {
    button.disabled = true;
    writeText(button, "Planning…");
    try {
      const today = await api.send("POST", "/plan", { body: {}, signal });
      const other = await api.send("POST", "/plan", { body: { yaml: area.value }, signal });
      kept = { today, other, cpus: await api.get("/cpus", {}, signal), yaml: area.value, host: api.host, at: Date.now() };
      drawKept();
    } catch (error) {
      if (signal.aborted) return;
      fill(result, error.problems?.length ? problems(error) : errorBox(error));
    } finally {
      button.disabled = false;
      writeText(button, "Plan");
    }
  }

  function drawKept() {
    const old = kept.yaml !== area.value ? " The text above has changed since." : "";
    fill(result, h("p", { class: "soft", role: "status" }, `Planned at ${clock(kept.at)}.${old}`), compare(kept, link));
  }

  /** The problems of a refused configuration (`policies:3: …`), each with a button that selects its line. */
  function problems(error) {
    return h("div", { class: "box bad", role: "alert" }, h("p", {}, error.message), h("ul", {}, error.problems.map((text) => {
      const match = /^[^:]*:(\d+): ?(.*)$/s.exec(text);
      if (!match) return h("li", {}, text);
      return h("li", {}, h("button", { type: "button", class: "plain", on: { click: () => goTo(Number(match[1])) } }, `Line ${match[1]}`), `: ${match[2]}`);
    })));
  }

  function goTo(line) {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  }
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    toast("The browser does not let this page copy. Select the text and copy it yourself.");
  }
}

/** The options of every installed policy, from its schema. */
function optionsOf(policies) {
  return h("dl", { class: "options box" }, policies.map(({ name, about, enabled, problem, options_schema: schema }) => [
    h("dt", {}, name, !enabled && h("span", { class: "soft" }, " (not enabled)")),
    h("dd", {}, about || problem, h("ul", {}, Object.entries(schema?.properties ?? {}).map(([key, option]) => h("li", {}, h("code", {}, key),
      option.description ? `: ${option.description}` : "", option.default !== undefined && h("span", { class: "soft" }, `; default ${JSON.stringify(option.default)}`)))))]));
}

/** The enabled policies as a `policies:` section. */
function asYaml(policies) {
  const enabled = policies.filter(({ enabled: on }) => on).sort((a, b) => a.position - b.position);
  if (!enabled.length) return "policies: []\n";
  const scalar = (value) => (typeof value === "string" ? (/^[\w./%*-]+$/.test(value) && !/^[-*%]/.test(value) ? value : JSON.stringify(value)) : JSON.stringify(value));
  const flow = (value) => {
    if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
    if (value && typeof value === "object") return `{${Object.entries(value).map(([key, inner]) => `${scalar(key)}: ${flow(inner)}`).join(", ")}}`;
    return scalar(value);
  };
  const lines = ["policies:"];
  for (const { name, options } of enabled) {
    const entries = Object.entries(options ?? {});
    lines.push(entries.length ? `  - ${name}:` : `  - ${name}`);
    for (const [key, value] of entries) lines.push(`      ${key}: ${flow(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Both plans beside each other. The numbers are those of the API: the same that `irqbal simulate` scores by. */
function compare({ today, other, cpus }, link) {
  const plans = [["Today’s policies", today], ["With these", other]].map(([name, plan]) => ({ name, ...plan }));
  const ranged = ({ forecast }) => (forecast.busiest_most > forecast.busiest_likely + 0.01 ? `${load(forecast.busiest_likely)}, at worst ${load(forecast.busiest_most)}` : load(forecast.busiest_likely));
  const lines = [
    ["IRQs that would move", (plan) => plan.cycle.moves.length], ["right already", (plan) => plan.cycle.right], ["XPS, RPS and RFS settings", (plan) => plan.cycle.steering.length],
    ["refused", (plan) => plan.cycle.refused.length], ["busiest CPU now", (plan) => (plan.forecast ? load(plan.forecast.busiest_now) : "–")],
    ["busiest CPU, forecast", (plan) => (plan.forecast ? ranged(plan) : "–")],
    ["times the least possible, forecast", (plan) => (plan.forecast?.imbalance_likely ? `× ${plan.forecast.imbalance_likely.toFixed(2)}` : "–")],
    ["CPUs that get clearly heavier", (plan) => (plan.forecast ? changed(plan.forecast, 1) : "–")],
    ["CPUs that get clearly lighter", (plan) => (plan.forecast ? changed(plan.forecast, -1) : "–")],
    ["CPUs with interrupt load, forecast", (plan) => (plan.forecast ? `${plan.forecast.cpus.filter((cpu) => cpu.likely > 0.0005).length} of ${cpus.length}` : "–")],
  ];
  const summary = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Both plans in numbers" }, h("table", {},
    h("caption", { class: "unseen" }, "Both plans in numbers"),
    h("thead", {}, h("tr", {}, h("td"), plans.map((plan) => h("th", { scope: "col", class: "num" }, plan.name)))),
    h("tbody", {}, lines.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), plans.map((plan) => h("td", { class: "num" }, String(value(plan)))))))));
  const maps = h("div", { class: "pair" }, plans.filter((plan) => plan.forecast).map((plan) => {
    const map = new CpuMap({ label: `${plan.name}: CPUs by the load that is forecast` });
    map.set(forecastCpus(plan.forecast, cpus));
    return h("div", {}, h("h3", {}, plan.name), map.root);
  }));
  const changes = changesTable(today.cycle, other.cycle, link);
  const remarks = [...other.cycle.failures.map((item) => `${item.policy} failed: ${item.reason}`), ...other.cycle.notes.map((note) => `${note.policy}: ${note.text}${note.advice ? ` – ${note.advice}` : ""}`),
    ...other.cycle.refused.slice(0, 20).map((item) => `${item.irq ?? ""} ${item.name} refused (${item.policy}): ${item.reason}${item.advice ? ` – ${item.advice}` : ""}`)];
  return [h("section", {}, h("h2", {}, "The plan beside today’s"), h("p", { class: "outlook" }, other.outlook || (other.cycle.problem && `There is no plan: ${other.cycle.problem}.`)),
      beside(today, other), summary,
      h("p", { class: "soft" }, "A forecast takes each IRQ's present load along. The kernel delivers an IRQ to one CPU of its mask: where a mask has several, its likely choice is shown, and the worst.")),
    remarks.length > 0 && h("details", { class: "box", open: remarks.length <= 4 }, h("summary", {}, `Notes of the policies, and refusals (${remarks.length})`),
      h("ul", {}, remarks.slice(0, 40).map((line) => h("li", {}, line)), remarks.length > 40 && h("li", {}, `and ${remarks.length - 40} more`))),
    h("section", {}, h("div", { class: "controls" }, h("h2", {}, plural(other.cycle.moves.length, "move")),
      h("button", { type: "button", on: { click: () => copy(planText(other.cycle), "The plan is copied.") } }, "Copy the plan")),
    changes.root),
    h("section", {}, h("h2", {}, "Where the load would be"), legend(), maps)];
}

/** How many CPUs get heavier (1) or lighter (-1) by a hundredth of a CPU or more. */
const changed = ({ cpus }, sign) => cpus.filter((cpu) => (cpu.likely - cpu.now) * sign >= 0.01).length;

/** How these policies compare with today's, in words. */
function beside(today, other) {
  if (!today.forecast || !other.forecast) return "";
  const [old, fresh] = [today.forecast.busiest_likely, other.forecast.busiest_likely];
  const factor = (plan) => `${plan.forecast.imbalance_likely.toFixed(2)} times the least possible`;
  const figures = `${load(fresh)} (${factor(other)}) instead of ${load(old)} (${factor(today)})`;
  if (Math.abs(fresh - old) < 0.01) return h("p", {}, "No clear difference from today’s policies at this moment.");
  return fresh > old ? h("p", { class: "warn" }, `Worse than today’s policies: the busiest CPU would have ${figures}.`) : h("p", {}, `Better than today’s policies: the busiest CPU would have ${figures}.`);
}

function planText(cycle) {
  const lines = [...cycle.moves.map((move) => `IRQ ${move.irq} (${move.name}): ${move.from || "-"} -> ${move.to}; ${move.policy}: ${move.reason}`),
    ...cycle.steering.map((item) => `${item.setting} of ${item.interface} queue ${item.queue}: ${item.from || "-"} -> ${item.to || "-"}; ${item.policy}: ${item.reason}`),
    ...cycle.refused.map((item) => `refused: ${item.irq ?? ""} ${item.name}: ${item.reason}`)];
  return `${lines.join("\n")}\n`;
}

function changesTable(today, other, link) {
  const before = new Map(today.moves.map((move) => [move.irq, move.to]));
  const table = new Table({
    caption: "What would move with these policies", key: (move) => move.irq, page: 30, empty: "Nothing would move with these policies.",
    columns: [
      { name: "IRQ", text: (move) => `${move.irq} ${move.name}`, sort: (move) => move.irq, href: (move) => link(`irq/${move.irq}`) },
      { name: "Now", text: (move) => move.from, css: () => "cpus", title: (move) => move.from },
      { name: "Today’s policies", text: (move) => before.get(move.irq) ?? "stays", css: () => "cpus" },
      { name: "With these", text: (move) => move.to, css: () => "cpus", title: (move) => move.to },
      { name: "By", text: (move) => move.policy, sort: (move) => move.policy },
      { name: "Why", text: why, css: () => "why" },
    ],
  });
  table.set(other.moves);
  return table;
}
