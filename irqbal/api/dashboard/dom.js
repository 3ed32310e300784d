// Helpers that build the page. Data is inserted as text, never as HTML.

/** Create an element. `on` holds event listeners, `data` the dataset, `props` properties; all else are attributes. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [kind, listener] of Object.entries(value)) node.addEventListener(kind, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "props") Object.assign(node, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/** Replace all children. */
export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

/** Set an element's text if it differs: rewriting would disturb screen readers and the selection. */
export function writeText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let counter = 0;
export const unique = (stem) => `${stem}-${++counter}`;

/** An input with its label. */
export function field(label, input, hint = "") {
  input.id ||= unique("field");
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hint && h("small", {}, hint));
}

export function select(options, value, change) {
  const node = h("select", { on: { change: () => change(node.value) } });
  for (const [key, text] of options) node.append(h("option", { value: key, props: { selected: key === value } }, text));
  return node;
}

/** A box that scrolls sideways, also by keyboard. */
export function scroller(label, ...children) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, children);
}

let timer = 0;
let announcer = null;
/** Announce a text to screen readers. */
export function announce(text) {
  announcer ??= document.body.appendChild(h("div", { class: "unseen", "aria-live": "polite" }));
  clearTimeout(timer);
  timer = setTimeout(() => { announcer.textContent = text; }, 120);
}

/** Show a note at the bottom for four seconds. */
export function toast(text) {
  const node = h("div", { class: "toast", role: "status" }, text);
  document.body.append(node);
  setTimeout(() => node.remove(), 4000);
}

const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
/** Show the page's tooltip; its first line is bold. */
export function showTip(x, y, lines) {
  if (!tip.isConnected) document.body.append(tip);
  fill(tip, lines.map((line, index) => h(index ? "div" : "strong", {}, line)));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 14 + width > innerWidth ? Math.max(4, x - width - 10) : x + 14;
  const top = y + 16 + height > innerHeight ? Math.max(4, y - height - 10) : y + 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}
export const hideTip = () => { tip.hidden = true; };

/** Let the browser save text as a file. */
export function download(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Rows as CSV. A cell that a spreadsheet would take for a formula gets a leading apostrophe. */
export function csv(rows) {
  const cell = (value) => {
    let text = String(value ?? "");
    if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Run `work`, and record its duration as a performance measure, which the tests read. */
export function measured(name, work) {
  const start = performance.now();
  try {
    return work();
  } finally {
    performance.measure(`irqbal:${name}`, { start, end: performance.now() });
    if (++measures % 2000 === 0) performance.clearMeasures();
  }
}
let measures = 0;
