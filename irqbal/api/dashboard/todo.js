// The verdict on the host, and what to do: a list in which each item leads to where it can be mended.

import { fill, h } from "./dom.js";
import { plural } from "./format.js";

export const WORDS = { well: "well", look: "look", act: "act" };
const MARKS = { well: "✓", look: "◆", act: "▲" };
const SHOWN = 5;

/** The links of a finding: [text, path, query]. */
export function targets(item) {
  const irq = item.irq === null ? [] : [[`IRQ ${item.irq}`, `irq/${item.irq}`]];
  const nic = item.subject.replace(/^[a-z]+:/, "").split("/")[0];
  switch (item.kind) {
    case "irq": return item.code === "override-ends" ? [["Overrides", "overrides"], ...irq] : irq.length ? irq : [["Overrides", "overrides"]];
    case "queue": case "interface": return [[nic, `nics/${nic}`], ...irq];
    case "cpu": case "core": return [...irq, [`CPU ${item.subject}`, "now", { cpu: item.subject }]];
    case "thread": return irq.length ? irq : [["Policies", "policies"]];
    case "program": return [["What others changed", "decisions", { kind: "drift" }]];
    case "policy": return [[item.subject, `policies/${item.subject}`]];
    default: return {
      "dry-run": [["The plan", "plan"]], "drift": [["What others changed", "decisions", { kind: "drift" }]], "no-plan": [["Policies", "policies"]],
      "outbox": [["History", "history"]], "no-history": [["History", "history"]], "paused": [["Decisions", "decisions", { kind: "action" }]],
    }[item.code] ?? [];
  }
}

/** A text whose commands stand between backticks. */
const coded = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** A finding's text as a sentence; a name, such as eth0, stays as it is. */
function sentence({ text, subject }) {
  const [first] = text.split(" ");
  return /^[a-z]+$/.test(first) && !text.startsWith(subject) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** A list of findings, each with its advice and links. */
export function findingList(items, link) {
  return h("ol", { class: "todo" }, items.map((item) => h("li", { class: item.severity, data: { code: item.code } },
    h("span", { class: "mark", "aria-hidden": "true" }, item.severity === "warning" ? "▲" : "◆"),
    h("div", {}, h("p", { class: "what" }, h("span", { class: "unseen" }, item.severity === "warning" ? "To mend: " : "To look at: "), `${sentence(item)}.`),
      h("p", { class: "soft" }, item.advice && [coded(item.advice), ". "],
        targets(item).map(([text, path, query]) => [h("a", { href: link(path, query), class: "go" }, text), " "]))))));
}

/** The verdict's word, sentence and list. `draw(answer)` updates it where something changed. */
export function verdictBox(link) {
  const word = h("strong", { class: "word" });
  const sentence = h("p", { class: "verdict", id: "verdict" });
  const list = h("div", {});
  const root = h("section", { class: "box health", "aria-labelledby": "verdict" }, sentence, list);
  let all = false;
  let last = null;
  const draw = (answer) => {
    last = answer;
    const shown = all ? answer.findings : answer.findings.slice(0, SHOWN);
    const key = JSON.stringify([answer.verdict, answer.sentence, answer.count, shown]);
    if (root.dataset.key === key) return;
    root.dataset.key = key;
    root.dataset.verdict = answer.verdict;
    fill(word, h("span", { "aria-hidden": "true" }, `${MARKS[answer.verdict] ?? ""} `), WORDS[answer.verdict] ?? answer.verdict);
    fill(sentence, word, " ", answer.sentence);
    const hidden = answer.findings.length - shown.length;
    const more = h("button", { type: "button", on: { click: () => { all = !all; draw(last); list.querySelector("button")?.focus(); } } },
      all ? "Show the first ones only" : `Show ${plural(hidden, "more thing", "more things")}`);
    fill(list, shown.length > 0 && findingList(shown, link), (hidden > 0 || (all && answer.findings.length > SHOWN)) && more,
      answer.count > answer.findings.length && h("p", { class: "soft" }, `The worst ${answer.findings.length} of ${answer.count}.`));
  };
  return { root, draw };
}
