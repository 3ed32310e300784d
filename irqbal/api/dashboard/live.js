// Receives cycles as server-sent events, with fetch(): EventSource cannot send a token.

import { seconds } from "./format.js";

/** Cycles in memory. */
const KEPT = 30;

/** A decoder of server-sent events: takes text, and calls `dispatch(kind, data)` for each event. */
export function parser(dispatch) {
  let rest = "";
  return (text) => {
    rest += text;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let kind = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) kind = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      }
      if (data.length) dispatch(kind, data.join("\n"));
    }
  };
}

export class Live {
  /** `changed()`: called when the connection's state or the status has changed. */
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    this.listeners = new Set();
    this.statusListeners = new Set();
    this.reset();
  }

  reset() {
    this.status = null;
    this.cycles = [];
    this.state = "connecting";
    this.error = null;
    this.lost = null;
    this.heard = 0;
    this.retryAt = 0;
  }

  /** Connect, for a new host or token. */
  start() {
    this.stop();
    this.reset();
    this.changed();
    this.control = new AbortController();
    this.run(this.control.signal);
  }

  /** Disconnect: no single host is shown. */
  disconnect() {
    this.stop();
    this.reset();
    this.state = "idle";
    this.changed();
  }

  stop() {
    this.control?.abort();
    clearInterval(this.watch);
  }

  async run(signal) {
    for (let failed = 0; !signal.aborted; failed++) {
      try {
        await this.refresh(signal);
        await this.listen(signal, () => { failed = 0; });
        this.error = null;
      } catch (error) {
        if (signal.aborted) return;
        this.error = error;
      }
      if (signal.aborted) return;
      this.lost ??= Date.now();
      this.state = this.error?.status === 401 || this.error?.status === 403 ? "refused" : "away";
      const wait = Math.min(5000, 500 * 2 ** failed);
      this.retryAt = Date.now() + wait;
      this.changed();
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }

  async refresh(signal) {
    this.take(await this.api.get("/status", {}, signal));
  }

  /** Show this status, which came with another answer. */
  take(status) {
    this.status = status;
    this.changed();
    for (const listener of [...this.statusListeners]) listener();
  }

  async listen(signal, opened) {
    const quiet = new AbortController();
    const response = await this.api.fetch("GET", "/events", { signal: AbortSignal.any([signal, quiet.signal]) });
    if (!response.ok) {
      await response.body?.cancel();
      throw Object.assign(new Error(response.status === 401 ? "A token is needed." : `The event stream answered with status ${response.status}.`),
        { status: response.status });
    }
    opened();
    const again = this.lost !== null;
    this.state = "live";
    this.lost = null;
    this.heard = Date.now();
    this.changed();
    if (again) this.publish(null);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const feed = parser((kind, data) => { if (kind === "cycle") this.publish(JSON.parse(data)); });
    const longest = () => 1000 * (3 * seconds(this.status?.interval ?? "10s") + 20);
    // A host that vanished does not close the connection.
    this.watch = setInterval(() => { if (Date.now() - this.heard > longest()) quiet.abort(); }, 2000);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        this.heard = Date.now();
        feed(value);
      }
    } finally {
      clearInterval(this.watch);
    }
  }

  publish(record) {
    performance.mark("irqbal:record");
    if (record) {
      this.cycles.unshift(record);
      this.cycles.length = Math.min(this.cycles.length, KEPT);
      // Loads of a plan may be older than those that are shown beside them, so only the cycle is taken from it.
      if (this.status?.last) Object.assign(this.status.last, { cycle: record.cycle, at: record.at });
    }
    this.changed();
    for (const listener of [...this.listeners]) listener(record);
  }

  /** Call `listener()` whenever a new status has arrived, until the signal aborts. */
  onStatus(listener, signal) {
    this.statusListeners.add(listener);
    signal.addEventListener("abort", () => this.statusListeners.delete(listener));
  }

  /** Call `listener(record)` for each cycle (null: connected again), until the signal aborts. */
  onCycle(listener, signal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }
}
