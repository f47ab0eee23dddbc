/**
 * The whole recording on one canvas: overview, ruler, fixations, one row per label track. Only what is in view is
 * looked at, and what falls on one pixel is drawn once, so that an hour is as quick as a minute.
 */
/** @import { Track } from "./types.js" */
/** @import { Model } from "./model.js" */
import { colourOf, fitted, themed } from "./draw.js";

const OVERVIEW = 20;
const RULER = 18;
const FIXATIONS = 28;
const ROW = 17;
const GUTTER = 132;
const TOP = OVERVIEW + RULER + FIXATIONS;
const MIN_SPAN_MS = 300;
const STEPS_MS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5];

export class Timeline {
  /** @type {Track[]} */ tracks = [];
  /** @type {[number, number]} the time in view, ms */ span = [0, 1];
  /** @type {[number, number] | null} frames about to be filled, drawn as a band */ range = null;
  frame = 0;
  /** @type {number | null} */ fixation = null;
  #scroll = 0;
  #asked = false;
  #drag = "";
  #loaded = { first: 0, last: -1, span: 0, stale: true };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Model} model
   * @param {{onFrame: (frame: number) => void, onFixation: (id: number) => void}} gestures
   */
  constructor(canvas, model, gestures) {
    this.canvas = canvas;
    this.model = model;
    this.gestures = gestures;
    this.#all = [model.times[0] ?? 0, Math.max((model.times.at(-1) ?? 0), (model.times[0] ?? 0) + MIN_SPAN_MS)];
    this.span = [this.#all[0], Math.min(this.#all[1], this.#all[0] + 60000)];
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => { this.#drag = ""; });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @type {[number, number]} */ #all;

  /** Brings the frame into view. @param {number} frame @param {number | null} fixation */
  show(frame, fixation) {
    this.frame = frame;
    this.fixation = fixation;
    const t = this.model.times[frame];
    const [a, b] = this.span;
    if (t < a || t > b) this.#look(t - (b - a) * 0.15, b - a);
    this.draw();
  }

  /** The tracks have changed. */
  refresh() {
    this.#loaded.stale = true;
    this.draw();
  }

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  /** @param {number} start ms @param {number} length ms */
  #look(start, length) {
    const [first, last] = this.#all;
    const span = Math.max(MIN_SPAN_MS, Math.min(last - first, length));
    const from = Math.max(first, Math.min(last - span, start));
    this.span = [from, from + span];
    this.draw();
  }

  /** @param {number} factor @param {number} [x] */
  zoom(factor, x = GUTTER + (this.canvas.clientWidth - GUTTER) / 2) {
    const [a, b] = this.span;
    const share = (x - GUTTER) / (this.canvas.clientWidth - GUTTER);
    const length = (b - a) * factor;
    this.#look(a + share * (b - a - length), length);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const [a, b] = this.span;
    if (event.ctrlKey || event.altKey) this.zoom(Math.exp(event.deltaY * 0.002), event.offsetX);
    else if (event.shiftKey) this.#scrollRows(event.deltaY || event.deltaX);
    else this.#look(a + ((event.deltaX || event.deltaY) / (this.canvas.clientWidth - GUTTER)) * (b - a), b - a);
  }

  /** @param {number} dy */
  #scrollRows(dy) {
    const most = Math.max(0, this.tracks.length * ROW - (this.canvas.clientHeight - TOP));
    this.#scroll = Math.max(0, Math.min(most, this.#scroll + dy));
    this.draw();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.#drag = event.offsetY < OVERVIEW ? "overview" : "scrub";
    if (this.#drag === "scrub" && event.offsetY >= OVERVIEW + RULER && event.offsetY < TOP) {
      const k = this.#fixationAt(this.#time(event.offsetX));
      if (k !== null) {
        this.#drag = "";
        this.gestures.onFixation(this.model.fixations.id[k]);
      }
    }
    this.#move(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.#drag === "scrub") this.gestures.onFrame(this.model.frameAt(this.#time(event.offsetX)));
    if (this.#drag === "overview") {
      const share = (event.offsetX - GUTTER) / (this.canvas.clientWidth - GUTTER);
      const length = this.span[1] - this.span[0];
      this.#look(this.#all[0] + share * (this.#all[1] - this.#all[0]) - length / 2, length);
    }
  }

  /** @param {number} x @returns {number} ms */
  #time(x) {
    const [a, b] = this.span;
    return a + ((x - GUTTER) / (this.canvas.clientWidth - GUTTER)) * (b - a);
  }

  /** @param {number} ms @returns {number | null} */
  #fixationAt(ms) {
    const { onset_ms, offset_ms } = this.model.fixations;
    const slack = ((this.span[1] - this.span[0]) / (this.canvas.clientWidth - GUTTER)) * 3;
    const k = firstAfter(offset_ms, ms - slack);
    return k < onset_ms.length && onset_ms[k] <= ms + slack ? k : null;
  }

  #paint() {
    const { context, width, height } = fitted(this.canvas);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const [a, b] = this.span;
    const scale = (width - GUTTER) / (b - a);
    const x = (/** @type {number} */ ms) => GUTTER + (ms - a) * scale;
    this.#load();
    context.save();
    context.beginPath();
    context.rect(GUTTER, OVERVIEW, width - GUTTER, height);
    context.clip();
    this.#paintRuler(context, x, height);
    if (this.range) {
      const [from, to] = this.range.map((frame) => x(this.model.times[Math.max(0, Math.min(this.model.times.length - 1, frame))]));
      context.fillStyle = `${themed("--accent-line")}`;
      context.globalAlpha = 0.25;
      context.fillRect(Math.min(from, to), OVERVIEW + RULER, Math.abs(to - from), height);
      context.globalAlpha = 1;
    }
    this.#paintFixations(context, x);
    this.#paintTracks(context, x, height);
    const now = x(this.model.times[this.frame]);
    context.fillStyle = themed("--accent-line");
    context.fillRect(now - 1, OVERVIEW, 2, height);
    context.restore();
    this.#paintOverview(context, width);
    this.#paintNames(context, height);
  }

  /** @param {CanvasRenderingContext2D} context @param {(ms: number) => number} x @param {number} height */
  #paintRuler(context, x, height) {
    const [a, b] = this.span;
    const step = STEPS_MS.find((ms) => (ms / (b - a)) * (this.canvas.clientWidth - GUTTER) > 74) ?? 36e5;
    const line = themed("--line-canvas");
    const ink = themed("--muted-canvas");
    for (let ms = Math.ceil(a / step) * step; ms <= b; ms += step) {
      context.fillStyle = line;
      context.fillRect(Math.round(x(ms)), OVERVIEW, 1, height);
      context.fillStyle = ink;
      context.fillText(clock(ms, step < 1000), Math.round(x(ms)) + 4, OVERVIEW + RULER / 2);
    }
  }

  /** Labelled ones filled, suggested ones outlined. @param {CanvasRenderingContext2D} context @param {(ms: number) => number} x */
  #paintFixations(context, x) {
    const { onset_ms, offset_ms, label, suggestion, id } = this.model.fixations;
    const top = OVERVIEW + RULER + 4;
    const empty = themed("--muted-canvas");
    const colours = new Map(this.model.labels.map((one) => [one.id, colourOf(one)]));
    let painted = -1;
    for (let k = firstAfter(offset_ms, this.span[0]); k < id.length && onset_ms[k] <= this.span[1]; k++) {
      const left = x(onset_ms[k]);
      const right = Math.max(left + 1.5, x(offset_ms[k]) - 1);
      if (right < painted + 1 && id[k] !== this.fixation) continue; // on a pixel that is taken
      painted = right;
      const guess = label[k] === null || label[k] === undefined;
      context.fillStyle = colours.get(/** @type {number} */ (guess ? suggestion[k] : label[k])) ?? empty;
      context.globalAlpha = guess ? 0.3 : 1;
      context.fillRect(left, top, right - left, FIXATIONS - 8);
      context.globalAlpha = 1;
      if (guess && right - left > 4) context.fillRect(left, top + FIXATIONS - 10, right - left, 2);
      if (id[k] === this.fixation) {
        context.strokeStyle = themed("--ink-canvas");
        context.lineWidth = 2;
        context.strokeRect(left - 1, top - 2, right - left + 2, FIXATIONS - 4);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {(ms: number) => number} x @param {number} height */
  #paintTracks(context, x, height) {
    context.save();
    context.beginPath();
    context.rect(GUTTER, TOP, this.canvas.clientWidth, height);
    context.clip();
    const { times } = this.model;
    const after = (/** @type {number} */ frame) => times[Math.min(times.length - 1, frame + 1)];
    this.tracks.forEach((track, row) => {
      const y = TOP + row * ROW - this.#scroll;
      if (y < TOP - ROW || y > height) return;
      const colour = colourOf(this.model.label(track.label));
      for (const [first, last, source] of track.spans) {
        const left = x(times[first]);
        const right = Math.max(left + 1.5, x(after(last)));
        if (right < GUTTER || left > this.canvas.clientWidth) continue;
        context.fillStyle = colour;
        const sure = source === "manual" || source === "confirmed" || source === "imported";
        context.globalAlpha = sure ? 1 : 0.45;
        context.fillRect(left, y + (sure ? 4 : 6), right - left, sure ? ROW - 8 : ROW - 12);
      }
      context.globalAlpha = 1;
      this.#paintKeyframes(context, x, track, y + ROW / 2);
    });
    context.restore();
  }

  /** @param {CanvasRenderingContext2D} context @param {(ms: number) => number} x @param {Track} track @param {number} y */
  #paintKeyframes(context, x, track, y) {
    context.fillStyle = themed("--ink-canvas");
    let painted = -Infinity;
    for (const frame of track.keyframes ?? []) {
      const at = x(this.model.times[frame]);
      if (at < painted + 7 || at < GUTTER - 4 || at > this.canvas.clientWidth) continue;
      painted = at;
      context.beginPath();
      context.moveTo(at, y - 4); context.lineTo(at + 3.5, y); context.lineTo(at, y + 4); context.lineTo(at - 3.5, y);
      context.fill();
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width */
  #paintOverview(context, width) {
    const [first, last] = this.#all;
    const scale = (width - GUTTER) / (last - first);
    context.fillStyle = themed("--overview");
    context.fillRect(GUTTER, 0, width - GUTTER, OVERVIEW - 4);
    const { onset_ms, label, id } = this.model.fixations;
    context.fillStyle = themed("--done");
    let painted = -1;
    for (let k = 0; k < id.length; k++) {
      if (label[k] === null || label[k] === undefined) continue;
      const at = Math.round(GUTTER + (onset_ms[k] - first) * scale);
      if (at !== painted) context.fillRect(at, 1, 2, OVERVIEW - 6);
      painted = at;
    }
    const left = GUTTER + (this.span[0] - first) * scale;
    context.strokeStyle = themed("--accent-line");
    context.lineWidth = 1.5;
    context.strokeRect(left + 0.75, 0.75, Math.max(6, (this.span[1] - this.span[0]) * scale) - 1.5, OVERVIEW - 5.5);
    context.fillStyle = themed("--accent-line");
    context.fillRect(GUTTER + (this.model.times[this.frame] - first) * scale - 1, 0, 2, OVERVIEW - 4);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} height */
  #paintNames(context, height) {
    context.fillStyle = themed("--muted-canvas");
    context.fillText("all", 12, OVERVIEW / 2 - 1);
    context.fillText("fixations", 12, OVERVIEW + RULER + FIXATIONS / 2);
    context.save();
    context.beginPath();
    context.rect(0, TOP, GUTTER - 6, height);
    context.clip();
    this.tracks.forEach((track, row) => {
      const y = TOP + row * ROW - this.#scroll;
      if (y < TOP - ROW || y > height) return;
      const label = this.model.label(track.label);
      context.fillStyle = colourOf(label);
      context.fillRect(12, y + 5, 7, 7);
      context.fillStyle = themed("--ink-canvas");
      context.fillText(label?.name ?? "?", 25, y + ROW / 2);
    });
    context.restore();
  }

  /** Asks for the tracks around what is in view, when that has changed enough, and never twice at a time. */
  #load() {
    const [a, b] = this.span;
    const first = this.model.frameAt(a);
    const last = this.model.frameAt(b);
    const { stale, ...had } = this.#loaded;
    const enough = first >= had.first && last <= had.last && had.span < 3 * (last - first + 1);
    if ((enough && !stale) || this.#timer) return;
    this.#timer = setTimeout(async () => {
      const margin = last - first + 1;
      const from = Math.max(0, first - margin);
      const to = Math.min(this.model.times.length - 1, last + margin);
      this.#loaded = { first: from, last: to, span: last - first + 1, stale: false };
      try {
        this.tracks = await this.model.tracks(from, to);
      } catch {
        this.#loaded.stale = true; // unreachable: asked again with the next painting
      }
      this.#timer = undefined;
      if (!this.#loaded.stale) this.draw();
    }, 120);
  }
}

/** Place of the first value that is larger. @param {number[]} sorted @param {number} value */
export function firstAfter(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {number} ms @param {boolean} [fine] */
export function clock(ms, fine = false) {
  const s = Math.max(0, ms) / 1000;
  const seconds = fine ? (s % 60).toFixed(2).padStart(5, "0") : String(Math.floor(s % 60)).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}
