// The form of an override: CPUs chosen on the live map or typed, any length of time, what it would do, and what it did.

import { errorBox } from "./api.js";
import { CpuMap, legend } from "./cpumap.js";
import { field, fill, h, unique, writeText } from "./dom.js";
import { clock, load, members, parseSet, plural, seconds, setText, size } from "./format.js";
import { clearedText, movedList, resultText } from "./overriding.js";

const LENGTHS = ["10m", "30m", "2h", "8h", "1d", "7d"];
const LENGTH = /^(\d+(\.\d+)?(ms|s|m|h|d|y))+$/;

/** `explained()`: the present answer of /explain; `changed()`: called after a change. */
export function overrideForm(context, path, explained, changed) {
  const { api, link, signal } = context;
  let cpus = [];
  const text = h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "0-3,8", class: "short" });
  const map = new CpuMap({ label: "CPUs for this IRQ: choose one or more", pick: true, activate: () => { text.value = setText(map.picked); check(); } });
  const lengths = h("datalist", { id: unique("lengths") }, LENGTHS.map((value) => h("option", { value })));
  const length = h("input", { type: "text", autocomplete: "off", spellcheck: "false", value: "1h", list: lengths.id, class: "short", placeholder: "until cleared" });
  const reason = h("input", { type: "text", maxlength: 1000, placeholder: "shown in the decisions" });
  const wrong = h("p", { class: "warn", role: "alert" });
  const expected = h("p", { class: "soft expected", "aria-live": "polite" });
  const answer = h("div", { "aria-live": "polite", class: "answer" });
  const present = h("div", { class: "present" });
  const button = h("button", { type: "submit", class: "main" }, "Set the override");
  text.addEventListener("input", () => check());
  length.addEventListener("input", () => check());
  const summary = h("summary", {}, "Choose on the map");
  const root = h("form", { novalidate: true, on: { submit: (event) => { event.preventDefault(); set(); } } }, present,
    h("div", { class: "row" }, field("CPUs", text), field("For", length, "such as 90m, 2h or 7d; empty: until cleared"), lengths, field("Reason", reason)), wrong, expected,
    h("details", { open: true }, summary,
      h("p", { class: "soft" }, "The map is live. A dot marks the CPUs of the present affinity, a thick edge the selected ones. Grey CPUs are offline."), legend(), map.root),
    h("div", { class: "buttons" }, button), answer);

  function problem(picked) {
    const missing = picked.filter((number) => !map.cpus.get(number)?.online);
    if (missing.length) return `CPU ${setText(missing)} is offline.`;
    const wanted = length.value.replace(/\s+/g, "");
    return wanted && !LENGTH.test(wanted) ? `“${length.value}” is no length of time: write, for example, 90m, 2h or 7d; nothing means until it is cleared.` : "";
  }

  function check() {
    let picked = [];
    try {
      picked = parseSet(text.value, Math.max(...cpus.map(({ number }) => number)));
      writeText(wrong, problem(picked));
    } catch (error) {
      writeText(wrong, error.message);
    }
    map.picked = new Set(picked);
    map.draw();
    writeText(expected, wrong.textContent ? "" : forecast(picked));
    return picked.length > 0 && !wrong.textContent;
  }

  /** What the override would do to the CPUs, if the IRQ keeps its load. */
  function forecast(picked) {
    const { irq } = explained();
    if (!picked.length || !(irq.load > 0.0005)) return picked.length ? "The IRQ takes no measurable time now, so no load would move." : "";
    const from = members(irq.effective);
    const at = (number) => map.cpus.get(number)?.load ?? 0;
    if (from.length === 1 && picked.includes(from[0])) {
      return picked.length === 1 ? `It is on CPU ${from[0]} already: no load would move.` : `It is on CPU ${from[0]} now, where the kernel likely leaves it.`;
    }
    const share = irq.load / Math.max(1, size(irq.effective));
    const leaves = from.filter((number) => !picked.includes(number)).slice(0, 4).map((number) => `CPU ${number} from ${load(at(number))} to ${load(Math.max(0, at(number) - share))}`);
    if (picked.length === 1) return `Before and after, if it keeps its load: ${[...leaves, `CPU ${picked[0]} from ${load(at(picked[0]))} to ${load(at(picked[0]) + irq.load)}`].join("; ")}.`;
    const most = picked.reduce((best, number) => (at(number) > at(best) ? number : best));
    return `The kernel delivers it to one of these CPUs, and chooses which: ${[...leaves, `at worst CPU ${most} from ${load(at(most))} to ${load(at(most) + irq.load)}`].join("; ")}.`;
  }

  async function set() {
    if (!check()) {
      if (!wrong.textContent) writeText(wrong, "Choose at least one CPU on the map, or type its number.");
      text.focus();
      return;
    }
    await act(async () => {
      // The API takes one number with one unit.
      const wanted = length.value.trim();
      const body = { cpus: setText(map.picked), expires_in: wanted ? `${seconds(wanted)}s` : null, reason: reason.value };
      const done = await api.send("PUT", `${path}/override`, { body });
      return box(done, `Override to ${done.override.cpus}. ${resultText(done)}`);
    });
  }

  async function clear() {
    await act(async () => {
      const done = await api.send("DELETE", `${path}/override`);
      return box(done, clearedText(done));
    });
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

  function box(done, sentence) {
    const good = ["written", "unchanged", ""].includes(done.result);
    return h("div", { class: `box ${good ? "good" : "bad"}` }, h("p", {}, sentence), movedList(done.moves, link), done.warnings?.map((line) => h("p", { class: "warn" }, `Note: ${line}.`)));
  }

  /** Show the present override and the CPUs' present loads. */
  function draw(override, fresh) {
    const { irq } = explained();
    map.marks = new Set(members(irq.affinity));
    if (fresh) {
      cpus = fresh;
      map.set(cpus);
      writeText(summary, `Choose on the map (${plural(cpus.length, "CPU")})`);
      if (!wrong.textContent) writeText(expected, forecast([...map.picked]));
    } else if (cpus.length) map.draw();
    const key = JSON.stringify(override);
    if (present.dataset.key === key) return;
    present.dataset.key = key;
    const until = override?.expires ? ` until ${clock(override.expires)}` : ", until cleared";
    fill(present, override
      ? [h("p", {}, h("b", {}, `Overridden to ${override.cpus}`), ` by ${override.who}${until}`, override.reason ? `: “${override.reason}”.` : "."),
        h("button", { type: "button", on: { click: clear } }, "Clear the override")]
      : h("p", { class: "soft" }, irq.movable ? "No override. An override outranks every policy until it expires or is cleared. " : "The kernel owns this mask and will refuse an override. ",
        h("a", { href: link("overrides") }, "All overrides")));
  }

  return { root, draw };
}
