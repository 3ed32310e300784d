// A large matrix on a canvas, of which only the visible part is drawn. It scrolls and zooms, and has a keyboard cursor and a tooltip.

import { announce, fill, h, hideTip, showTip } from "./dom.js";

const GUTTER = 8;
const TOP = 22;
/** Rows from which the first view shows all of them at once. */
const MANY = 200;

/** The theme's colours, for drawing on a canvas. */
export function palette() {
  const probe = h("span", { class: "unseen" });
  document.body.append(probe);
  const read = (css, what) => {
    probe.className = `unseen ${css}`;
    return getComputedStyle(probe)[what];
  };
  const found = {
    steps: Array.from({ length: 9 }, (_, index) => read(`s${index}`, "backgroundColor")),
    text: read("c-text", "color"), soft: read("c-soft", "color"), line: read("c-line", "color"), tint: read("c-tint", "color"),
    accent: read("c-accent", "color"), bad: read("c-bad", "color"), ground: read("c-ground", "color"), second: read("c-second", "color"),
  };
  probe.remove();
  return found;
}

export class Matrix {
  /**
   * `model`: rows, columns, rowLabel(i), columnLabel(j), edge(j): whether a line is drawn before column j,
   * weight(i): rows with more are drawn on top, home(i): the column to which the cursor moves in row i,
   * paint(context, i, x(j), y, width, height, colours), describe(i, j) -> lines of text, activate(i, j).
   */
  constructor({ label, model, help, most = 460, rowHeight = 15, labelWidth = 150 }) {
    Object.assign(this, { model, most, rowHeight, zoom: null, cursor: [0, 0], wide: labelWidth });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.space = h("div", { class: "space" });
    this.box = h("div", { class: "matrix", tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": `${label}. ${help}` },
      this.canvas, this.space);
    const button = (text, name, turn) => h("button", { type: "button", "aria-label": name, title: name, on: { click: turn } }, text);
    this.tools = h("span", { class: "tools" },
      button("−", "Zoom out", () => this.setZoom(this.zoom - 1)), button("+", "Zoom in", () => this.setZoom(this.zoom + 1)),
      button("Fit", "Fit all rows in", () => this.setZoom(-1)));
    this.root = this.box;
    this.box.addEventListener("scroll", () => this.scheduleDraw(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("mousemove", (event) => this.point(event));
    this.box.addEventListener("mouseleave", hideTip);
    this.box.addEventListener("click", (event) => { const at = this.under(event); if (at) this.model.activate(...at); });
    this.box.addEventListener("focus", () => { this.scheduleDraw(); this.speak(); });
    this.box.addEventListener("blur", () => { hideTip(); this.scheduleDraw(); });
    this.box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.cursor = this.under(event) ?? this.cursor;
      this.setZoom(this.zoom + (event.deltaY < 0 ? 1 : -1));
    }, { passive: false });
    this.watch = new ResizeObserver(() => this.layout());
    this.watch.observe(this.box);
    this.recolour = () => { this.colours = null; this.scheduleDraw(); };
    addEventListener("irqbal-theme", this.recolour);
  }

  close() {
    this.watch.disconnect();
    removeEventListener("irqbal-theme", this.recolour);
  }

  /** Zoom to a level from -1 (all rows at once) to 6, with the cursor in the middle. */
  setZoom(to) {
    this.zoom = Math.max(-1, Math.min(6, to));
    this.layout();
    this.box.scrollLeft = (this.cursor[1] + 0.5) * this.cell[0] - (this.box.clientWidth - this.gutter) / 2;
    this.box.scrollTop = (this.cursor[0] + 0.5) * this.cell[1] - (this.box.clientHeight - TOP) / 2;
  }

  /** Compute the sizes again after rows, columns or the box have changed. */
  layout() {
    const { rows, columns } = this.model;
    const width = this.box.clientWidth;
    if (!width) return;
    if (rows) this.zoom ??= rows > MANY ? -1 : 0;
    this.gutter = Math.min(this.wide, width * 0.34);
    const fit = (width - this.gutter - GUTTER) / Math.max(1, columns);
    const base = Math.min(fit, 44);
    const zoom = this.zoom ?? 0;
    this.cell = [Math.max(base, Math.min(44, base * 2 ** Math.max(0, zoom))), zoom < 0 ? Math.min(6, (this.most - TOP - GUTTER) / Math.max(1, rows)) : zoom > 2 ? this.rowHeight + 3 : this.rowHeight];
    const tall = TOP + rows * this.cell[1] + GUTTER;
    this.space.style.width = `${Math.floor(this.gutter + columns * this.cell[0] + GUTTER / 2)}px`;
    this.box.style.height = `${Math.min(this.most, Math.max(60, tall) + 16)}px`;
    this.space.style.height = `${tall}px`;
    this.cursor = [Math.max(0, Math.min(this.cursor[0], rows - 1)), Math.max(0, Math.min(this.cursor[1], columns - 1))];
    this.draw();
  }

  scheduleDraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const { box, canvas, model } = this;
    if (!box.isConnected || !this.cell) return;
    this.colours ??= palette();
    const colours = this.colours;
    const [width, height, ratio] = [box.clientWidth, box.clientHeight, devicePixelRatio || 1];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, height);
    const [cw, rh] = this.cell;
    const [left, top] = [box.scrollLeft, box.scrollTop];
    const x = (column) => this.gutter + column * cw - left;
    const y = (row) => TOP + row * rh - top;
    const firstRow = Math.max(0, Math.floor(top / rh));
    const lastRow = Math.min(model.rows - 1, Math.ceil((top + height - TOP) / rh));
    const firstColumn = Math.max(0, Math.floor(left / cw));
    const lastColumn = Math.min(model.columns - 1, Math.ceil((left + width - this.gutter) / cw));
    context.save();
    context.beginPath();
    context.rect(this.gutter, TOP, width, height);
    context.clip();
    context.fillStyle = colours.line;
    for (let column = firstColumn; column <= lastColumn; column++) {
      if (model.edge(column)) context.fillRect(Math.round(x(column)) - 0.5, TOP, 1, Math.min(height, model.rows * rh));
    }
    const drawn = Array.from({ length: Math.max(0, lastRow - firstRow + 1) }, (_, index) => firstRow + index);
    // Rows overlap: draw the heavier ones on top.
    if (rh < 3) drawn.sort((a, b) => model.weight(a) - model.weight(b));
    for (const row of drawn) model.paint(context, row, x, y(row), cw, Math.max(rh, 3), colours);
    if (document.activeElement === box && model.rows) {
      context.strokeStyle = colours.accent;
      context.lineWidth = 2;
      const [row, column] = this.cursor;
      context.strokeRect(x(column) - 1, y(row), Math.max(cw, 5) + 2, Math.max(rh, 5));
    }
    context.restore();
    if (!model.rows) {
      context.fillStyle = colours.soft;
      context.font = "13px system-ui, sans-serif";
      context.fillText(model.empty ?? "Nothing to show.", this.gutter + 8, TOP + 26);
      return;
    }
    this.labels(context, x, y, [firstRow, lastRow], [firstColumn, lastColumn], height);
  }

  labels(context, x, y, [firstRow, lastRow], [firstColumn, lastColumn], height) {
    const { model, colours, cell: [cw, rh] } = this;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = colours.text;
    context.textAlign = "right";
    context.save();
    context.beginPath();
    context.rect(0, TOP, this.gutter - 6, height);
    context.clip();
    const every = rh >= 12 ? 1 : Math.ceil(12 / rh);
    for (let row = firstRow; row <= lastRow; row++) {
      if (row % every) continue;
      context.fillText(shortened(context, model.rowLabel(row), this.gutter - 12), this.gutter - 8, y(row) + Math.max(rh, 12) / 2);
    }
    context.restore();
    context.save();
    context.beginPath();
    context.rect(this.gutter - 12, 0, this.box.clientWidth, TOP);
    context.clip();
    context.textAlign = "center";
    context.fillStyle = colours.soft;
    const wide = Math.max(16, 8 + 7 * String(model.columnLabel(model.columns - 1)).length);
    const step = [1, 2, 4, 8, 16, 32, 64, 128].find((number) => number * cw >= wide) ?? 256;
    for (let column = firstColumn - (firstColumn % step); column <= lastColumn; column += step) {
      context.fillText(model.columnLabel(column), x(column) + cw / 2, TOP / 2);
    }
    context.restore();
    context.fillStyle = colours.soft;
    context.textAlign = "left";
    context.fillText("CPU", 4, TOP / 2);
  }

  under(event) {
    if (!this.cell) return null;
    const box = this.box.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.gutter + this.box.scrollLeft) / this.cell[0]);
    const row = Math.floor((event.clientY - box.top - TOP + this.box.scrollTop) / this.cell[1]);
    if (this.cell[1] < 3 && row >= -2) return this.nearest(row, column);
    const inside = row >= 0 && row < this.model.rows && column < this.model.columns && event.clientY > box.top + TOP;
    return inside ? [row, Math.max(-1, column)] : null;
  }

  /** Of rows too thin to point at, the one whose column `home` is closest to the pointer. */
  nearest(row, column) {
    const [cw, rh] = this.cell;
    let [best, far] = [null, 12];
    for (let other = Math.max(0, Math.floor(row - 5 / rh)); other <= Math.min(this.model.rows - 1, row + 5 / rh); other++) {
      const away = Math.abs((this.model.home(other) ?? -99) - column) * cw + Math.abs(other - row) * rh;
      if (away < far) [best, far] = [other, away];
    }
    return best === null ? null : [best, this.model.home(best)];
  }

  point(event) {
    const at = this.under(event);
    if (at) showTip(event.clientX, event.clientY, this.model.describe(...at));
    else hideTip();
  }

  key(event) {
    const { rows, columns } = this.model;
    const page = Math.max(1, Math.floor((this.box.clientHeight - TOP) / this.cell[1]) - 1);
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-page, 0], PageDown: [page, 0],
      Home: [0, -columns], End: [0, columns] }[event.key];
    if (event.key === "+" || event.key === "=") this.setZoom(this.zoom + 1);
    else if (event.key === "-") this.setZoom(this.zoom - 1);
    else if (event.key === "Enter") this.model.activate(...this.cursor);
    else if (way && rows) {
      let [row, column] = [this.cursor[0] + way[0], this.cursor[1] + way[1]];
      // Up and down also move to the row's own column.
      row = Math.max(0, Math.min(rows - 1, row));
      if (way[0]) column = this.model.home(row) ?? column;
      this.cursor = [row, Math.max(0, Math.min(columns - 1, column))];
      this.reveal();
      this.speak();
    } else return;
    event.preventDefault();
  }

  reveal() {
    const [cw, rh] = this.cell;
    const [row, column] = this.cursor;
    const seen = [this.box.clientWidth - this.gutter - GUTTER, this.box.clientHeight - TOP - GUTTER];
    const into = (from, length, at, step) => (at < from ? at : at + step > from + length ? at + step - length : from);
    this.box.scrollLeft = into(this.box.scrollLeft, seen[0], column * cw, cw);
    this.box.scrollTop = into(this.box.scrollTop, seen[1], row * rh, rh);
    this.scheduleDraw();
  }

  speak() {
    if (!this.model.rows || document.activeElement !== this.box || !this.cell) return;
    const lines = this.model.describe(...this.cursor);
    announce(lines.join(", "));
    const box = this.box.getBoundingClientRect();
    showTip(box.left + this.gutter + (this.cursor[1] + 1) * this.cell[0] - this.box.scrollLeft,
      box.top + TOP + (this.cursor[0] + 1) * this.cell[1] - this.box.scrollTop, lines);
  }
}

/** A label that fits: a long one loses its middle, because its number at the start and its end tell it apart. */
function shortened(context, text, width) {
  const most = Math.floor(text.length * width / Math.max(1, context.measureText(text).width));
  if (most >= text.length) return text;
  const head = text.includes(" ") ? text.indexOf(" ") + 1 : Math.floor(most / 3);
  return `${text.slice(0, head)}…${text.slice(-Math.max(1, most - head - 3))}`;
}

/** A holder that shows the map or its table, and the button that switches between them. */
export function twoWays(label, map, table, name, { first = true, turned = () => {} } = {}) {
  const holder = h("div", {}, first ? map : table());
  const turn = (event) => {
    first = !first;
    fill(holder, first ? map : table());
    event.target.setAttribute("aria-pressed", String(!first));
    turned(first);
  };
  return [holder, h("button", { type: "button", "aria-pressed": String(!first), "aria-label": `${label} as a table`, on: { click: turn } }, name)];
}
