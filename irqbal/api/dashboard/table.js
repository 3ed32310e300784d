// Tables that update in place: rows are matched by key, and only cells that differ are written.

import { h, writeText } from "./dom.js";

/** A column's name in the URL, such as `busiest-cpu`. */
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

/**
 * columns: {name, text(row), sort(row)?, href(row)?, css(row)?, num?, title(row)?}. A click on a heading sorts.
 * Shows `page` rows, and a button that shows more. `by`: the column that sorts at first, as in the URL: `load`, or `-load` for the
 * largest first. `oneLine`: a narrow window shows a row as one line, otherwise as a card. With `url` (a UrlState) the order stands in the URL as `sort`, and the number of rows as `rows`.
 */
export class Table {
  constructor({ caption, columns, key, page = 100, by = "", url = null, empty = "No rows.", oneLine = false }) {
    Object.assign(this, { oneLine, columns, key, page, empty, url, by, rows: [] });
    this.order = this.parsed(url?.get("sort", by) ?? by) ?? this.parsed(by);
    this.shown = Math.max(page, Math.min(100_000, url?.number("rows", page) ?? page));
    this.lines = new Map();
    this.body = h("tbody");
    this.heads = columns.map((column, index) => {
      const button = h("button", { type: "button", on: { click: () => this.turn(index) } }, column.name);
      return h("th", { scope: "col", role: "columnheader", class: column.num && "num" }, column.sort ? button : column.name);
    });
    // Explicit roles: narrow windows show rows as cards, and browsers drop the table's roles with `display: block`.
    this.body.setAttribute("role", "rowgroup");
    const table = h("table", { role: "table", class: oneLine ? "oneline" : "cards" }, h("caption", { class: "unseen" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, this.heads)), this.body);
    this.note = h("p", { class: "soft" });
    this.more = h("button", { type: "button", hidden: true, on: { click: () => {
      this.shown += 5 * page;
      this.url?.set({ rows: this.shown });
      this.draw();
    } } });
    this.box = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
    this.root = h("div", { class: "table" }, this.box, this.note, this.more);
  }

  turn(index) {
    const down = this.order?.index === index ? !this.order.down : Boolean(this.columns[index].num);
    this.order = { index, down };
    this.url?.set({ sort: `${down ? "-" : ""}${slug(this.columns[index].name)}` }, { defaults: { sort: this.by } });
    this.draw();
  }

  /** {index, down} of an order as the URL has it; null if no column has that name. */
  parsed(text) {
    const index = this.columns.findIndex((column) => column.sort && slug(column.name) === text.replace(/^-/, ""));
    return index < 0 ? null : { index, down: text.startsWith("-") };
  }

  set(rows) {
    this.rows = rows;
    this.draw();
  }

  sorted() {
    if (!this.order) return this.rows;
    const { sort } = this.columns[this.order.index];
    const sign = this.order.down ? -1 : 1;
    const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
    return this.rows.map((row) => [sort(row), row]).sort((a, b) => sign * compare(a[0], b[0])).map(([, row]) => row);
  }

  draw() {
    this.heads.forEach((head, index) => {
      if (this.order?.index === index) head.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const rows = this.sorted().slice(0, this.shown);
    const focused = document.activeElement;
    const keys = new Set();
    let before = this.body.firstChild;
    for (const row of rows) {
      const key = String(this.key(row));
      if (keys.has(key)) continue;
      keys.add(key);
      const line = this.lines.get(key) ?? this.line(key);
      this.write(line, row);
      if (line.node === before) before = before.nextSibling;
      else this.body.insertBefore(line.node, before);
    }
    for (const [key, line] of this.lines) {
      if (keys.has(key)) continue;
      line.node.remove();
      this.lines.delete(key);
    }
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
    writeText(this.note, this.rows.length ? "" : this.empty);
    this.note.hidden = this.rows.length > 0;
    // A narrow window shows no headings, and a table must have something.
    this.box.hidden = !this.rows.length;
    this.more.hidden = this.rows.length <= this.shown;
    writeText(this.more, `Show more (${rows.length} of ${this.rows.length.toLocaleString("en")} shown)`);
  }

  line(key) {
    const cells = this.columns.map((column, index) => h(index === 0 ? "th" : "td", {
      scope: index === 0 && "row", role: index === 0 ? "rowheader" : "cell", class: column.num && "num", data: { name: column.name } }));
    const node = h("tr", { role: "row" }, cells);
    // On a telephone a row is one line; a tap shows the rest of it.
    if (this.oneLine) node.addEventListener("click", (event) => { if (!event.target.closest("a")) node.classList.toggle("open"); });
    const made = { node, cells, inner: cells.map(() => null) };
    this.lines.set(key, made);
    return made;
  }

  write(line, row) {
    this.columns.forEach((column, index) => {
      const cell = line.cells[index];
      const href = column.href?.(row);
      let inner = line.inner[index];
      if (!inner || Boolean(href) !== (inner.localName === "a")) {
        inner = line.inner[index] = h(href ? "a" : "span");
        cell.replaceChildren(inner);
      }
      if (href && inner.getAttribute("href") !== href) inner.setAttribute("href", href);
      const text = column.text(row);
      writeText(inner, text);
      if (cell.classList.contains("none") !== (text === "")) cell.classList.toggle("none", text === "");
      const css = column.css?.(row) ?? "";
      if (inner.className !== css) inner.className = css;
      const title = column.title?.(row) ?? "";
      if (inner.title !== title) inner.title = title;
    });
  }
}
