// Where the page is: the view, its argument and its state, all in the URL, so that reload, Back and a shared link show the same.

/** The last state of each view, so that the navigation leads back to it. */
const left = new Map();

/** The parts of the URL's hash, such as `#/irq/24?host=db1`. */
export function parts() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  const decode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  return { view: decode(view), argument: rest.map(decode).join("/"), query: new URLSearchParams(words) };
}

/** A link to a view, such as `#/irq/24?host=db1`. Empty values are left out. */
export function href(path, query = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false));
  return `#/${path}${words.size ? `?${words}` : ""}`;
}

/** Remember how a view was left. */
export const remember = (view, query) => left.set(view, Object.fromEntries(query));
/** The state in which a view was left. */
export const recall = (view) => left.get(view) ?? {};

/** The state of the view that is shown. */
export class UrlState {
  constructor(view, argument, query) {
    Object.assign(this, { view, argument, query });
    if (!argument) remember(view, query);
  }

  get(name, or = "") {
    return this.query.get(name) ?? or;
  }

  number(name, or = null) {
    const value = Number(this.query.get(name));
    return this.query.get(name) !== null && Number.isFinite(value) ? value : or;
  }

  /** Change some values; those that are empty or equal `defaults` are left out. `push`: Back undoes it. */
  set(values, { push = false, defaults = {} } = {}) {
    for (const [name, value] of Object.entries(values)) {
      const none = value === "" || value === null || value === undefined || value === false || String(value) === String(defaults[name] ?? "");
      if (none) this.query.delete(name);
      else this.query.set(name, value === true ? "yes" : value);
    }
    const path = this.argument ? `${this.view}/${this.argument.split("/").map(encodeURIComponent).join("/")}` : this.view;
    const to = href(path, Object.fromEntries(this.query));
    if (!this.argument) remember(this.view, this.query);
    if (to === location.hash) return;
    if (push) history.pushState(null, "", to);
    else history.replaceState(null, "", to);
  }
}
