// A forecast: what a plan would do to the busiest CPU, and to each CPU.

import { h } from "./dom.js";
import { load, plural } from "./format.js";

/** Why an IRQ is moved; if a limit forbids where it is, that comes first. */
export const why = (move) => (move.cause === "limit" && !move.reason.includes("isolated") ? `a limit forbids CPUs of ${move.from}; ${move.reason}` : move.reason);

/** The numbers of a forecast, before and after. */
export function forecastFacts(forecast) {
  const ranged = forecast.busiest_most > forecast.busiest_likely + 0.01;
  const rows = [
    ["Busiest CPU, now", load(forecast.busiest_now)],
    ["Busiest CPU, with the plan", load(forecast.busiest_likely) + (ranged ? `, at worst ${load(forecast.busiest_most)}` : "")],
    ["Times the least possible, now", forecast.imbalance_now ? `× ${forecast.imbalance_now.toFixed(2)}` : "–"],
    ["Times the least possible, with the plan", forecast.imbalance_likely ? `× ${forecast.imbalance_likely.toFixed(2)}` : "–"],
  ];
  if (forecast.open_irqs) rows.push(["Left to the kernel", `the CPU of ${plural(forecast.open_irqs, "IRQ")}`]);
  return h("dl", { class: "tiles" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** CPUs as CpuMap takes them, with the loads that a forecast gives. */
export function forecastCpus(forecast, cpus) {
  const by = new Map(forecast.cpus.map((cpu) => [cpu.number, cpu]));
  return cpus.map((cpu) => {
    const found = by.get(cpu.number);
    const likely = found?.likely ?? 0;
    const range = found && found.most > found.least + 0.001 ? `, between ${load(found.least)} and ${load(found.most)}` : "";
    return { ...cpu, load: likely, rate: likely > 0 ? 1 : 0, irqs: 0, irq_time: 0, softirq_time: likely, forecast: `likely load ${load(likely)}${range}; now ${load(found?.now ?? 0)}` };
  });
}
