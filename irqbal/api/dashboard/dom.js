// Building the page. Whatever comes from data goes in as text: nothing here reads HTML.

/** An element. `on` holds listeners, `data` the dataset, `props` properties; everything else is an attribute. */
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

/** These children, and no others. */
export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

/** Text that is written only if it differs: a live page must not disturb a screen reader, nor a selection. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let counter = 0;
export const unique = (stem) => `${stem}-${++counter}`;

/** A labelled field: the label, and the input that it names. */
export function field(label, input, hint = "") {
  input.id ||= unique("field");
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hint && h("small", {}, hint));
}

export function select(options, value, change) {
  const node = h("select", { on: { change: () => change(node.value) } });
  for (const [key, text] of options) node.append(h("option", { value: key, props: { selected: key === value } }, text));
  return node;
}

/** A box that may be scrolled sideways, by keyboard too. */
export function scroller(label, ...children) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, children);
}

let timer = 0;
let teller = null;
/** Tell screen readers, without moving anything on the page. */
export function announce(text) {
  teller ??= document.body.appendChild(h("div", { class: "unseen", "aria-live": "polite" }));
  clearTimeout(timer);
  timer = setTimeout(() => { teller.textContent = text; }, 120);
}

/** A short note at the bottom that goes by itself. */
export function toast(text) {
  const node = h("div", { class: "toast", role: "status" }, text);
  document.body.append(node);
  setTimeout(() => node.remove(), 4000);
}

const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
/** The page's one tooltip: its first line is bold. */
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

/** Save text as a file. */
export function download(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Rows as CSV. A cell that a spreadsheet would take for a formula is kept from that. */
export function csv(rows) {
  const cell = (value) => {
    let text = String(value ?? "");
    if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Do it, and leave the time it took where the browser's tools (and the tests) find it. */
export function measured(name, work) {
  const start = performance.now();
  try {
    return work();
  } finally {
    performance.measure(`irqbal:${name}`, { start, end: performance.now() });
    if (++kept % 2000 === 0) performance.clearMeasures();
  }
}
let kept = 0;
