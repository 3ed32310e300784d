// Cycles as they happen, over server-sent events read with fetch(): EventSource cannot send a token.

import { seconds } from "./format.js";

const KEPT = 30;

/** Decode a stream of server-sent events; calls `tell(kind, data)` for each. */
export function parser(tell) {
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
      if (data.length) tell(kind, data.join("\n"));
    }
  };
}

export class Live {
  /** `changed()`: the connection or the status is another. */
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    this.listeners = new Set();
    this.asked = new Set();
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

  /** Begin anew: another host, or another token. */
  start() {
    this.stop();
    this.reset();
    this.changed();
    this.control = new AbortController();
    this.run(this.control.signal);
  }

  /** Listen to nobody. */
  rest() {
    this.stop();
    this.reset();
    this.state = "resting";
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
    this.status = await this.api.get("/status", {}, signal);
    this.changed();
    for (const listener of [...this.asked]) listener();
  }

  async listen(signal, opened) {
    const quiet = new AbortController();
    const response = await this.api.fetch("GET", "/events", { signal: AbortSignal.any([signal, quiet.signal]) });
    if (!response.ok) {
      await response.body?.cancel();
      throw Object.assign(new Error(response.status === 401 ? "A token is needed." : `The live stream answered ${response.status}.`),
        { status: response.status });
    }
    opened();
    const again = this.lost !== null;
    this.state = "live";
    this.lost = null;
    this.heard = Date.now();
    this.changed();
    if (again) this.tell(null);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const feed = parser((kind, data) => { if (kind === "cycle") this.tell(JSON.parse(data)); });
    const longest = () => 1000 * (3 * seconds(this.status?.interval ?? "10s") + 20);
    // A machine that vanished closes nothing: silence tells.
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

  tell(record) {
    performance.mark("irqbal:record");
    if (record) {
      this.cycles.unshift(record);
      this.cycles.length = Math.min(this.cycles.length, KEPT);
      const old = this.status;
      if (old) {
        old.last = { ...record, moves: record.moves.length, refused: record.refused.length, drifted: record.drifted.length,
          failures: record.failures.length };
      }
    }
    this.changed();
    for (const listener of [...this.listeners]) listener(record);
  }

  /** Call `listener()` when the status was asked for and is there: a view may be drawn before. */
  onStatus(listener, signal) {
    this.asked.add(listener);
    signal.addEventListener("abort", () => this.asked.delete(listener));
  }

  /** Call `listener(record)` for each cycle (null: the daemon is back), until the signal says stop. */
  onCycle(listener, signal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }
}
