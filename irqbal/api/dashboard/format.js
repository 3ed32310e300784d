// Numbers, times and CPU sets as text, and back.

/** The [first, last] pairs (inclusive) of a CPU set such as "0-3,8". Cached: the same sets return with every cycle. */
const known = new Map();
export function ranges(text) {
  let found = known.get(text);
  if (!found) {
    found = text ? text.split(",").map((part) => {
      const [first, last] = part.split("-");
      return [Number(first), Number(last ?? first)];
    }) : [];
    if (known.size > 20_000) known.clear();
    known.set(text, found);
  }
  return found;
}
export const size = (text) => ranges(text).reduce((sum, [first, last]) => sum + last - first + 1, 0);
export const holds = (text, cpu) => ranges(text).some(([first, last]) => first <= cpu && cpu <= last);
export function members(text) {
  const all = [];
  for (const [first, last] of ranges(text)) for (let cpu = first; cpu <= last; cpu++) all.push(cpu);
  return all;
}
export function setText(cpus) {
  const sorted = [...new Set(cpus)].sort((a, b) => a - b);
  const parts = [];
  for (let at = 0; at < sorted.length;) {
    let end = at;
    while (sorted[end + 1] === sorted[end] + 1) end++;
    parts.push(end > at ? `${sorted[at]}-${sorted[end]}` : `${sorted[at]}`);
    at = end + 1;
  }
  return parts.join(",");
}
/** The CPUs of a set that a person typed. Throws an Error with a sentence. */
export function parseSet(text, most) {
  const clean = text.replace(/\s+/g, "");
  if (!clean) return [];
  const all = [];
  for (const part of clean.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) throw new Error(`“${part}” is no CPU number: write, for example, 0-3,8`);
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (last < first) throw new Error(`${part} is no range: the first CPU comes after the last`);
    if (last > most) throw new Error(`there is no CPU ${last}; the last one is ${most}`);
    for (let cpu = first; cpu <= last; cpu++) all.push(cpu);
  }
  return all;
}

/** A load (1: one whole CPU) in percent. */
export function load(value) {
  const share = value * 100;
  if (share <= 0) return "0 %";
  if (share < 0.1) return "<0.1 %";
  return `${share < 10 ? share.toFixed(1) : Math.round(share)} %`;
}
export function rate(value) {
  if (!value) return "0/s";
  if (value < 1) return `${value.toPrecision(1)}/s`;
  return `${count(value)}/s`;
}
export function count(value) {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(value >= 1e5 ? 0 : 1)} k`;
  return Math.round(value).toLocaleString("en");
}
export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
/** A length of time on the wire (`90s`, `1h30m`, `500ms`) in seconds. */
export function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, y: 31_536_000 };
  let total = 0;
  for (const [, number, unit] of String(text ?? "").matchAll(/([\d.]+)(ms|s|m|h|d|y)/g)) total += Number(number) * units[unit];
  return total;
}
export function span(value) {
  if (value < 1) return "less than a second";
  if (value < 90) return `${Math.round(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86_400)} days`;
}
const pad = (number) => String(number).padStart(2, "0");
/** Local time, with the date unless it is today. */
export function clock(moment, now = new Date()) {
  const at = new Date(moment);
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return at.toDateString() === now.toDateString() ? time : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}
export const short = (text, most = 40) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Lower bounds of the colour steps, in shares of one CPU; step 0 is idle. */
export const STEPS = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7];
export function bin(value, busy = value > 0) {
  if (value < 0.0005) return busy ? 1 : 0;
  for (let step = 7; step > 0; step--) if (value >= STEPS[step]) return step + 1;
  return 1;
}
/** Interrupts a second from which an IRQ or CPU counts as busy: a smoothed rate decays slowly to 0. */
export const BUSY = 0.05;
