/**
 * The timeline: when accounts first used what they share, a lane for each type, a bar for each day or week. A brush, by pointer or by two
 * sliders, filters picture and tables by first use.
 *
 * Sends nothing itself but what `filters.js` sends. Hears `ringlight:filters`.
 */
import { drawn } from "./dom.js";
import * as filters from "./filters.js";
import { count, day, list, typeName } from "./words.js";

const DAY = 86_400_000;
const MOST_DAYS = 70; // beyond, a bar is a week
const LANE = 17;
const LEFT = 92;
const FOOT = 18;

/** Bars of a timeline. Pure. @param {any[]} holds with `time` and `identifier_type` @returns {null|object} null where there is none */
export function bars(holds) {
  const dated = holds.filter((row) => !Number.isNaN(row.time) && !row.isAdded);
  if (!dated.length) return null;
  const times = dated.map((row) => row.time);
  const begin = Math.floor(times.reduce((one, other) => Math.min(one, other)) / DAY) * DAY;
  const end = times.reduce((one, other) => Math.max(one, other));
  const step = (end - begin) / DAY > MOST_DAYS ? 7 * DAY : DAY;
  const n = Math.floor((end - begin) / step) + 1;
  const lanes = new Map();
  for (const row of dated) {
    if (!lanes.has(row.identifier_type)) lanes.set(row.identifier_type, new Array(n).fill(0));
    lanes.get(row.identifier_type)[Math.floor((row.time - begin) / step)] += 1;
  }
  return { begin, step, n, lanes: [...lanes].sort(([one], [other]) => one.localeCompare(other)), n_holds: dated.length };
}

/** The timeline in its place. */
export class Timeline {
  /** @param {HTMLElement} place with an svg, two inputs of type range and an output @param {any[]} holds */
  constructor(place, holds) {
    this.place = place;
    this.svg = place.querySelector("svg");
    [this.low, this.high] = place.querySelectorAll("input[type=range]");
    this.output = place.querySelector("output");
    this.bars = bars(holds);
    place.hidden = this.bars === null;
    if (!this.bars) return;
    for (const input of [this.low, this.high]) {
      input.max = String(this.bars.n - 1);
      input.addEventListener("input", () => this.brushed(Number(this.low.value), Number(this.high.value), input));
    }
    document.addEventListener("ringlight:filters", () => this.show());
    new ResizeObserver(() => this.draw()).observe(this.svg.parentElement);
    this.hearPointer();
    this.show();
  }

  /** First and last bar of the dates that are shown. */
  window() {
    const { from, until } = filters.get();
    const { begin, step, n } = this.bars;
    const inside = (value) => Math.max(0, Math.min(n - 1, value));
    return [from ? inside(Math.floor((Date.parse(from) - begin) / step)) : 0, until ? inside(Math.floor((Date.parse(until) - begin) / step)) : n - 1];
  }

  /** The first day of a bar, and the last. */
  daysOf(place) {
    const start = this.bars.begin + place * this.bars.step;
    return [day(start), day(start + this.bars.step - DAY)];
  }

  brushed(one, other, moved) {
    const [low, high] = moved === this.low ? [Math.min(one, other), other] : moved === this.high ? [one, Math.max(one, other)] : [Math.min(one, other), Math.max(one, other)];
    const isAll = low === 0 && high === this.bars.n - 1;
    filters.set({ from: isAll ? null : this.daysOf(low)[0], until: isAll ? null : this.daysOf(high)[1] }, "timeline");
    this.show();
  }

  show() {
    const [low, high] = this.window();
    const [from, until] = [this.daysOf(low)[0], this.daysOf(high)[1]];
    this.low.value = String(low);
    this.high.value = String(high);
    this.low.setAttribute("aria-valuetext", from);
    this.high.setAttribute("aria-valuetext", until);
    this.output.textContent = `${from} to ${until}, UTC; a bar is a ${this.bars.step === DAY ? "day" : "week"}`;
    const told = this.bars.lanes.map(([type, held]) => `${typeName(type)} ${held.reduce((sum, n) => sum + n, 0)}`);
    this.svg.setAttribute("aria-label", `First uses of what accounts share, ${count(this.bars.n_holds, "link")}: ${list(told)}.`);
    this.draw();
  }

  /** Width of a bar's place, for the width that the page gives. */
  scale() {
    const width = Math.max(240, this.svg.parentElement.clientWidth);
    return { width, each: (width - LEFT - 8) / this.bars.n };
  }

  draw() {
    const { width, each } = this.scale();
    const { lanes, n } = this.bars;
    const [low, high] = this.window();
    const height = lanes.length * LANE + FOOT;
    const most = Math.max(...lanes.flatMap(([, held]) => held));
    const { types } = filters.get();
    const parts = [drawn("rect", { class: "brush", x: LEFT + low * each, y: 0, width: (high - low + 1) * each, height: height - FOOT })];
    lanes.forEach(([type, held], lane) => {
      const foot = (lane + 1) * LANE;
      const isOut = types !== null && !types.includes(type);
      parts.push(drawn("text", { x: LEFT - 8, y: foot - 4, class: isOut ? "lane out" : "lane" }, typeName(type)));
      parts.push(drawn("line", { x1: LEFT, x2: width - 8, y1: foot, y2: foot, class: "ground" }));
      held.forEach((value, place) => {
        if (!value) return;
        const tall = 2 + (LANE - 5) * Math.sqrt(value / most);
        const bar = drawn("rect", { class: isOut || place < low || place > high ? "bar out" : "bar", x: LEFT + place * each + 0.5, y: foot - tall, width: Math.max(1.5, each - 1), height: tall });
        bar.append(drawn("title", {}, `${this.daysOf(place)[0]}: ${typeName(type)}, ${count(value, "link")}`));
        parts.push(bar);
      });
    });
    for (const place of ticks(n, Math.max(2, Math.floor((width - LEFT) / 110)))) {
      parts.push(drawn("text", { x: LEFT + place * each, y: height - 4, class: "tick" }, this.daysOf(place)[0]));
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
    this.svg.replaceChildren(...parts);
  }

  hearPointer() {
    const placeOf = (event) => {
      const { each } = this.scale();
      return Math.max(0, Math.min(this.bars.n - 1, Math.floor((event.clientX - this.svg.getBoundingClientRect().left - LEFT) / each)));
    };
    let begun = null;
    this.svg.addEventListener("pointerdown", (event) => {
      begun = placeOf(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => begun !== null && this.brushed(begun, placeOf(event)));
    this.svg.addEventListener("pointerup", (event) => {
      if (begun !== null) this.brushed(begun, placeOf(event));
      begun = null;
    });
    this.svg.addEventListener("pointercancel", () => void (begun = null));
    this.svg.addEventListener("dblclick", () => filters.set({ from: null, until: null }, "timeline"));
  }
}

function ticks(n, most) {
  const step = Math.max(1, Math.ceil(n / most));
  return Array.from({ length: Math.ceil(n / step) }, (_, place) => place * step);
}
