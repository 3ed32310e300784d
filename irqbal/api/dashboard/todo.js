// The verdict on the host, and what to do: a list in which each item leads to where it can be mended.

import { fill, h, writeText } from "./dom.js";
import { plural } from "./format.js";
import { parts } from "./location.js";

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
    case "cpu": case "core": return [...irq, [`CPU ${item.subject}`, "now", { cpu: item.subject, at: "cpu" }]];
    case "thread": return irq.length ? irq : threadNic(item) ? [[threadNic(item), `nics/${threadNic(item)}`]] : [];
    case "program": return item.code === "possible-writer" ? [["Decisions", "decisions", { kind: "drift" }]] : [["What others changed", "decisions", { kind: "drift" }]];
    case "policy": return item.irq !== null ? [...irq, [item.subject, `policies/${item.subject}`]] : [[item.subject, `policies/${item.subject}`]];
    default: return {
      "dry-run": [["The plan", "plan"]], "refused": [["The plan", "plan"]], "drift": [["What others changed", "decisions", { kind: "drift" }]], "no-plan": [["The plan", "plan"], ["Policies", "policies"]],
      "outbox": [["History", "history"]], "no-history": [["History", "history"]], "paused": [["Decisions", "decisions", { kind: "action" }]], "trial": [["Trials", "trials"]],
    }[item.code] ?? [];
  }
}

/** The interface that a NAPI thread serves: the kernel names it `napi/INTERFACE-NUMBER`. Empty for all else. */
export const threadNic = (item) => (item.kind === "thread" && /\bnapi\/(\S+)-\d+ \(pid /.exec(item.text)?.[1]) || "";

/** A text whose commands stand between backticks. */
const coded = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** A finding's text as a sentence; a name, such as eth0, stays as it is. */
function sentence({ text, subject }) {
  const [first] = text.split(" ");
  return /^[a-z]+$/.test(first) && !text.startsWith(subject) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** A list of findings, each with its advice and links. An item that stays keeps its nodes: whoever is about to follow its link is not interrupted. */
class FindingList {
  constructor(link) {
    Object.assign(this, { link, lines: new Map(), root: h("ol", { class: "todo" }) });
  }

  set(items) {
    const lines = new Map();
    for (const item of items) {
      const links = targets(item).filter(([, path]) => path !== here()).map(([text, path, query]) => [text, this.link(path, query)]);
      const key = JSON.stringify([item.code, item.severity, item.kind, item.subject, links]);
      const line = this.lines.get(key) ?? lineOf(item, links);
      writeText(line.what, `${sentence(item)}.`);
      if (line.advice.dataset.text !== item.advice) {
        line.advice.dataset.text = item.advice;
        fill(line.advice, item.advice && [coded(item.advice), ". "]);
      }
      lines.set(key, line);
    }
    this.lines = lines;
    const nodes = [...lines.values()].map(({ node }) => node);
    if (nodes.length !== this.root.children.length || nodes.some((node, index) => this.root.children[index] !== node)) this.root.replaceChildren(...nodes);
  }
}

function lineOf(item, links) {
  const urgent = item.severity === "warning";
  const what = h("span");
  const advice = h("span");
  return { what, advice, node: h("li", { class: item.severity, data: { code: item.code, subject: item.subject } },
    h("span", { class: "mark", "aria-hidden": "true" }, urgent ? "▲" : "◆"),
    h("div", {}, h("p", { class: "what" }, h("span", { class: "unseen" }, urgent ? "To mend: " : "To look at: "), what),
      h("p", { class: "soft" }, advice, links.map(([text, to]) => [h("a", { href: to, class: "go" }, text), " "])))) };
}

/** A list that is drawn once. */
export function findingList(items, link) {
  const list = new FindingList(link);
  list.set(items);
  return list.root;
}

/** The page that is shown, but for Now, to whose parts its list leads: a link to the page itself would do nothing. */
function here() {
  const { view, argument } = parts();
  return view === "now" ? "" : argument ? `${view}/${argument}` : view;
}

/** What to do about what a page shows, in a box that is hidden while there is nothing. */
export class FindingBox {
  constructor({ api, link, signal }) {
    this.list = new FindingList(link);
    this.root = h("section", { class: "box", "aria-label": "What to do", hidden: true }, this.list.root);
    this.fetch = () => api.get("/findings", {}, signal);
  }

  set(items) {
    this.list.set(items);
    this.root.hidden = !items.length;
  }

  /** Fetch the findings, and show those that `mine(item)` picks. */
  async update(mine) {
    try {
      this.set((await this.fetch()).findings.filter(mine));
    } catch (error) {
      // There are none before the first cycle; what the page is about can be shown all the same.
      if (error.status !== 503) throw error;
    }
  }
}

/** The verdict's word, sentence and list. `draw(answer)` updates it where something changed. */
export function verdictBox(link) {
  const word = h("strong", { class: "word" });
  const sentence = h("p", { class: "verdict", id: "verdict" });
  const list = new FindingList(link);
  let all = false;
  let last = null;
  const more = h("button", { type: "button", on: { click: () => {
    all = !all;
    draw(last);
    // What appears stands before the button.
    if (all) (list.root.children[SHOWN]?.querySelector("a") ?? more).focus();
  } } });
  const rest = h("p", { class: "soft" });
  const root = h("section", { class: "box health", "aria-labelledby": "verdict" }, sentence, list.root, more, rest);
  const draw = (answer) => {
    last = answer;
    const { findings, verdict } = answer;
    if (root.dataset.verdict !== verdict) {
      root.dataset.verdict = verdict;
      fill(word, h("span", { "aria-hidden": "true" }, `${MARKS[verdict] ?? ""} `), WORDS[verdict] ?? verdict);
    }
    if (sentence.dataset.key !== `${verdict} ${answer.sentence}`) {
      sentence.dataset.key = `${verdict} ${answer.sentence}`;
      fill(sentence, word, " ", answer.sentence);
    }
    list.set(all ? findings : findings.slice(0, SHOWN));
    list.root.hidden = !findings.length;
    more.hidden = findings.length <= SHOWN;
    writeText(more, all ? "Show the first ones only" : `Show ${plural(findings.length - SHOWN, "more thing", "more things")}`);
    rest.hidden = answer.count <= findings.length;
    writeText(rest, rest.hidden ? "" : `The worst ${findings.length} of ${answer.count}.`);
  };
  return { root, draw };
}
