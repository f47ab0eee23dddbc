/** The whole recording on one canvas: what part of it is in view, and what a pointer does there. timeline_paint.js draws it. */
/** @import { Track } from "./types.js" */
/** @import { Model } from "./model.js" */
import { firstAfter } from "./time.js";
import { GUTTER, OVERVIEW, paint, ROW, RULER, TOP } from "./timeline_paint.js";

const MIN_SPAN_MS = 300;

export class Timeline {
  /** @type {Track[]} */ tracks = [];
  /** @type {[number, number]} all time, ms */ all;
  /** @type {[number, number]} the time in view, ms */ span = [0, 1];
  /** @type {[number, number] | null} frames about to be filled, drawn as a band */ range = null;
  frame = 0;
  /** @type {number | null} */ fixation = null;
  /** Pixels that the rows of tracks are scrolled by. */ scroll = 0;
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
    this.all = [model.times[0] ?? 0, Math.max((model.times.at(-1) ?? 0), (model.times[0] ?? 0) + MIN_SPAN_MS)];
    this.span = [this.all[0], Math.min(this.all[1], this.all[0] + 60000)];
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => { this.#drag = ""; });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

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
      this.#load();
      paint(this);
    });
  }

  /** @param {number} start ms @param {number} length ms */
  #look(start, length) {
    const [first, last] = this.all;
    const span = Math.max(MIN_SPAN_MS, Math.min(last - first, length));
    const from = Math.max(first, Math.min(last - span, start));
    this.span = [from, from + span];
    this.draw();
  }

  /** Zoom around `t`; if it is out of view, it moves to the middle. @param {number} factor @param {number} [t] ms, by default the frame shown */
  zoom(factor, t = this.model.times[this.frame]) {
    const [a, b] = this.span;
    const share = t < a || t > b ? 0.5 : (t - a) / (b - a);
    const length = (b - a) * factor;
    this.#look(t - share * length, length);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const [a, b] = this.span;
    if (event.ctrlKey || event.altKey) this.zoom(Math.exp(event.deltaY * 0.002), this.#time(event.offsetX));
    else if (event.shiftKey) this.#scrollRows(event.deltaY || event.deltaX);
    else this.#look(a + ((event.deltaX || event.deltaY) / (this.canvas.clientWidth - GUTTER)) * (b - a), b - a);
  }

  /** @param {number} dy */
  #scrollRows(dy) {
    const most = Math.max(0, this.tracks.length * ROW - (this.canvas.clientHeight - TOP));
    this.scroll = Math.max(0, Math.min(most, this.scroll + dy));
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
      this.#look(this.all[0] + share * (this.all[1] - this.all[0]) - length / 2, length);
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
