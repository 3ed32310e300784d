// Policies: which are enabled, which failed and why, and what each can be told.

import { fill, h } from "./dom.js";
import { clock } from "./format.js";
import { FindingBox } from "./todo.js";

export async function mount(root, context) {
  const { api, live, link, signal, argument } = context;
  const list = h("div", {});
  const todo = new FindingBox(context);
  const intro = h("p", { class: "soft" }, "In the order of the YAML: the first policy that claims an IRQ decides. A policy that fails is skipped; the others go on.");
  fill(root, h("h1", {}, argument ? `Policy ${argument}` : "Policies"), argument && h("p", {}, h("a", { href: link("policies") }, "All policies")), intro, todo.root, list);

  async function draw() {
    const [status] = await Promise.all([api.get("/status", {}, signal), todo.update(({ code, kind, subject }) => code === "no-plan" || (code === "policy-note" && kind === "policy" && (!argument || subject === argument)))]);
    live.take(status);
    let policies;
    try {
      policies = await api.get("/policies", {}, signal);
    } catch (error) {
      // The planner's process describes them. Without it, what is to do about that is said all the same.
      if (error.status !== 503) throw error;
      if (!list.dataset.key) fill(list, h("p", { class: "box", role: "status" }, `The policies cannot be described now: ${error.message}`));
      return;
    }
    const chosen = argument ? policies.filter(({ name }) => name === argument) : policies;
    if (argument && !chosen.length) {
      fill(list, h("p", { class: "box bad", role: "alert" }, `There is no policy “${argument}” here, neither enabled nor installed. These are installed: ${policies.map(({ name }) => name).join(", ")}.`));
      return;
    }
    const key = JSON.stringify([chosen, status.aside, status.starting, status.state]);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    fill(list, chosen.map((policy) => one(policy, status)));
  }

  function one(policy, status) {
    const aside = status.aside.find((item) => item.policy === policy.name);
    const starting = status.starting.includes(policy.name);
    const state = !policy.enabled ? "not enabled" : aside || policy.problem ? "failed" : starting ? "starting" : status.state === "not balancing" ? "enabled" : "works";
    const again = aside?.again ? `It is tried again at ${clock(aside.again)}, and` : "It is tried again";
    return h("section", { "aria-label": policy.name, data: { state } },
      h("h2", {}, argument ? policy.name : h("a", { href: link(`policies/${policy.name}`) }, policy.name), " ", h("span", { class: state === "failed" ? "warn" : "soft" }, `(${state})`)),
      policy.about && h("p", {}, policy.about),
      (aside || policy.problem) && h("div", { class: "box bad" }, h("p", {}, `It failed, and is skipped: ${aside?.reason ?? policy.problem}.`),
        policy.enabled && h("p", {}, `${again} after `, h("code", {}, "systemctl reload irqbal"), ". The log says more: ", h("code", {}, `journalctl -u irqbal -g ${policy.name}`), ".")),
      h("p", {}, h("a", { href: link("decisions", { policy: policy.name }) }, "Its decisions"), " · ", h("a", { href: link("decisions", { policy: policy.name, kind: "failure", start: "30d" }) }, "Its failures")),
      options(policy), policy.distributions.length > 0 && h("p", { class: "soft" }, `From ${policy.distributions.join(", ")}.`));
  }

  await context.every(draw, 3000);
}

/** A policy's options: those of the YAML, and what each means. */
function options({ options: set, options_schema: schema }) {
  const all = Object.entries(schema?.properties ?? {});
  if (!all.length) return "";
  return h("details", {}, h("summary", {}, "Options"), h("dl", { class: "options" }, all.map(([key, option]) => [
    h("dt", {}, h("code", {}, key), set && key in set ? h("span", {}, `: ${JSON.stringify(set[key])}`) : h("span", { class: "soft" }, `: ${JSON.stringify(option.default ?? null)} (default)`)),
    h("dd", {}, option.description ?? "")])));
}
