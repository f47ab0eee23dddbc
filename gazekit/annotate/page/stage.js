/** The stage: one frame with everything laid over it, zoomed and panned. Pointers become edits by way of callbacks. */
/** @import { Box, FrameState, LabelledBox } from "./types.js" */
/** @import { Model } from "./model.js" */
import { drawBox, drawGaze, drawHeat, fitted, HANDLE_PX, handles } from "./draw.js";

const MIN_BOX_PX = 3;
const MAX_ZOOM = 40;
const HEAT_MS = 1000;

/**
 * @typedef {object} Shown what the stage draws
 * @property {"fixation" | "box"} mode
 * @property {number} frame
 * @property {number | null} fixation
 * @property {number | string | null} selected
 * @property {boolean} drawing the next two clicks, or a drag, make a box
 * @property {boolean} gaze
 * @property {boolean} heat
 * @property {boolean} hidden
 * @property {number} label of a box being drawn
 *
 * @typedef {object} Gestures
 * @property {(box: Box) => void} onDraw
 * @property {(id: number | string, box: Box) => void} onChange a box was moved or resized
 * @property {(box: LabelledBox | null) => void} onSelect
 * @property {() => void} onDrawn drawing has ended, with or without a box
 *
 * @typedef {{kind: "pan", x: number, y: number} | {kind: "draw", box: Box, clicks: boolean} | {kind: "move" | "resize", id: number | string, handle: string, from: [number, number], start: Box, box: Box}} Drag
 */

export class Stage {
  /** @type {HTMLImageElement | null} */ picture = null;
  view = { scale: 1, x: 0, y: 0 };
  /** @type {Drag | null} */ #drag = null;
  #fit = true;
  #asked = false;
  /** @type {[number, number] | null} */ #pointer = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Model} model
   * @param {Shown} shown
   * @param {Gestures} gestures
   */
  constructor(canvas, model, shown, gestures) {
    this.canvas = canvas;
    this.model = model;
    this.shown = shown;
    this.gestures = gestures;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => this.#up());
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("pointerleave", () => { this.#pointer = null; this.draw(); });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => { if (this.#fit) this.fit(); else this.draw(); }).observe(canvas);
  }

  /** The whole frame, as large as it goes. */
  fit() {
    const [width, height] = this.model.project.size_px;
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    this.view = { scale, x: (clientWidth - width * scale) / 2, y: (clientHeight - height * scale) / 2 };
    this.#fit = true;
    this.draw();
  }

  /** @param {number} factor @param {number} [x] stays where it is @param {number} [y] */
  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const [width, height] = this.model.project.size_px;
    const whole = Math.min(this.canvas.clientWidth / width, this.canvas.clientHeight / height);
    const scale = Math.max(whole, Math.min(MAX_ZOOM, this.view.scale * factor));
    if (scale === whole) return this.fit();
    const ratio = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio };
    this.#fit = false;
    this.draw();
  }

  /** Gives up what is being drawn or dragged. */
  cancel() {
    if (this.#drag?.kind === "draw") this.gestures.onDrawn();
    this.#drag = null;
    this.draw();
  }

  /** Draws once before the next repaint, however often it is asked. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #paint() {
    const { context, width, height } = fitted(this.canvas);
    context.clearRect(0, 0, width, height);
    context.translate(this.view.x, this.view.y);
    context.scale(this.view.scale, this.view.scale);
    const [w, h] = this.model.project.size_px;
    if (this.picture) {
      context.imageSmoothingEnabled = this.view.scale < 6; // pixels are seen as pixels when far in
      context.imageSmoothingQuality = "high";
      context.drawImage(this.picture, 0, 0, w, h);
    }
    const state = this.model.view(this.shown.frame);
    if (this.shown.heat) this.#paintHeat(context);
    if (state && !this.shown.hidden) this.#paintBoxes(context, state);
    if (state && this.shown.gaze) this.#paintGaze(context, state);
    this.#paintTool(context, w, h);
  }

  /** @param {CanvasRenderingContext2D} context @param {FrameState} state */
  #paintBoxes(context, state) {
    const { scale } = this.view;
    if (!state.confirmed && !state.boxes.length) {
      for (const item of state.predictions ?? []) drawBox(context, item, this.model.label(item.label), { scale, faint: true });
    }
    const drag = this.#drag;
    const ordered = [...state.boxes].sort((a, b) => Number(a.id === this.shown.selected) - Number(b.id === this.shown.selected));
    for (const box of ordered) {
      const dragged = drag && "id" in drag && drag.id === box.id ? { ...box, box: drag.box } : box;
      drawBox(context, dragged, this.model.label(box.label), { scale, selected: box.id === this.shown.selected });
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {FrameState} state */
  #paintGaze(context, state) {
    const { fixations, place, project } = this.model;
    const k = this.shown.fixation === null ? undefined : place.get(this.shown.fixation);
    const gaze = state.gaze ?? [];
    const onFixation = k !== undefined && fixations.frame[k] === this.shown.frame;
    /** @type {[number, number] | null} */
    const centre = onFixation ? [fixations.x_px[k], fixations.y_px[k]]
      : gaze.length ? [mean(gaze.map((sample) => sample[1])), mean(gaze.map((sample) => sample[2]))] : null;
    drawGaze(context, gaze, centre, project.ring_px ?? project.size_px[0] / 40, this.view.scale);
  }

  /** @param {CanvasRenderingContext2D} context */
  #paintHeat(context) {
    const { fixations, times, project } = this.model;
    const now = times[this.shown.frame];
    const near = fixations.id.map((_, k) => k).filter((k) => fixations.offset_ms[k] > now - HEAT_MS && fixations.onset_ms[k] < now + HEAT_MS);
    drawHeat(context, fixations, near, project.size_px[0] / 22);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} w @param {number} h */
  #paintTool(context, w, h) {
    const px = 1 / this.view.scale;
    if (this.#drag?.kind === "draw") {
      const item = { label: this.shown.label, box: ordered(this.#drag.box), score: 1 };
      drawBox(context, item, this.model.label(this.shown.label), { scale: this.view.scale, named: false });
    } else if (this.shown.drawing && this.#pointer) {
      const [x, y] = this.#scene(...this.#pointer);
      context.strokeStyle = "rgba(255, 255, 255, 0.8)";
      context.lineWidth = px;
      context.setLineDash([4 * px, 4 * px]);
      context.beginPath();
      context.moveTo(0, y); context.lineTo(w, y);
      context.moveTo(x, 0); context.lineTo(x, h);
      context.stroke();
      context.setLineDash([]);
    }
  }

  /** @param {number} x on the canvas @param {number} y @returns {[number, number]} scene pixels, in the frame */
  #scene(x, y) {
    const [w, h] = this.model.project.size_px;
    const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(0, Math.min(most, value));
    return [clip((x - this.view.x) / this.view.scale, w), clip((y - this.view.y) / this.view.scale, h)];
  }

  /** The smallest box at a point. @param {number} x scene pixels @param {number} y @returns {LabelledBox | null} */
  boxAt(x, y) {
    const boxes = this.shown.hidden ? [] : this.model.view(this.shown.frame)?.boxes ?? [];
    const holding = boxes.filter(({ box: [x0, y0, x1, y1] }) => x >= x0 && x < x1 && y >= y0 && y < y1);
    return holding.sort((a, b) => area(a.box) - area(b.box))[0] ?? null;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const [x, y] = this.#scene(event.offsetX, event.offsetY);
    if (event.button !== 0 || event.shiftKey) {
      this.#drag = { kind: "pan", x: event.offsetX, y: event.offsetY };
    } else if (this.#drag?.kind === "draw") { // the second click
      this.#drag.box[2] = x;
      this.#drag.box[3] = y;
      this.#drag.clicks = false;
    } else if (this.shown.drawing) {
      this.#drag = { kind: "draw", box: [x, y, x, y], clicks: true };
    } else this.#grab(x, y, event);
    this.draw();
  }

  /** @param {number} x @param {number} y @param {PointerEvent} event */
  #grab(x, y, event) {
    const selected = this.model.view(this.shown.frame)?.boxes.find((box) => box.id === this.shown.selected);
    const reach = (HANDLE_PX + 3) / this.view.scale;
    const handle = this.shown.mode === "box" && selected && handles(selected.box).find(([, hx, hy]) => Math.abs(hx - x) < reach && Math.abs(hy - y) < reach);
    if (handle) {
      this.#drag = { kind: "resize", id: selected.id, handle: handle[0], from: [x, y], start: selected.box, box: selected.box };
      return;
    }
    const hit = this.boxAt(x, y);
    this.gestures.onSelect(hit);
    if (this.shown.mode === "fixation") this.#drag = { kind: "pan", x: event.offsetX, y: event.offsetY };
    else if (hit) this.#drag = { kind: "move", id: hit.id, handle: "nesw", from: [x, y], start: hit.box, box: hit.box };
    else this.#drag = { kind: "draw", box: [x, y, x, y], clicks: false };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    this.#pointer = [event.offsetX, event.offsetY];
    const [x, y] = this.#scene(event.offsetX, event.offsetY);
    const drag = this.#drag;
    if (drag?.kind === "pan") {
      this.view = { ...this.view, x: this.view.x + event.offsetX - drag.x, y: this.view.y + event.offsetY - drag.y };
      drag.x = event.offsetX;
      drag.y = event.offsetY;
      this.#fit = false;
    } else if (drag?.kind === "draw") {
      drag.box[2] = x;
      drag.box[3] = y;
    } else if (drag?.kind === "move") drag.box = this.#moved(drag.start, x - drag.from[0], y - drag.from[1]);
    else if (drag?.kind === "resize") drag.box = resized(drag.start, drag.handle, x, y);
    this.#cursor(x, y);
    if (drag || this.shown.drawing) this.draw();
  }

  #up() {
    const drag = this.#drag;
    if (!drag) return;
    if (drag.kind === "draw") {
      const box = ordered(drag.box);
      const large = Math.min(box[2] - box[0], box[3] - box[1]) * this.view.scale >= MIN_BOX_PX;
      if (!large && drag.clicks) return; // the first of two clicks
      this.#drag = null;
      if (large) this.gestures.onDraw(box);
      this.gestures.onDrawn();
    } else {
      this.#drag = null;
      if (drag.kind !== "pan" && drag.box !== drag.start) this.gestures.onChange(drag.id, ordered(drag.box));
    }
    this.draw();
  }

  /** @param {Box} box @param {number} dx @param {number} dy @returns {Box} whole, in the frame */
  #moved([x0, y0, x1, y1], dx, dy) {
    const [w, h] = this.model.project.size_px;
    const mx = Math.max(-x0, Math.min(w - x1, dx));
    const my = Math.max(-y0, Math.min(h - y1, dy));
    return [x0 + mx, y0 + my, x1 + mx, y1 + my];
  }

  /** @param {number} x @param {number} y */
  #cursor(x, y) {
    const over = this.boxAt(x, y);
    this.canvas.style.cursor = this.shown.drawing ? "crosshair" : this.#drag?.kind === "pan" ? "grabbing"
      : this.shown.mode === "fixation" ? (over ? "pointer" : "grab") : over ? "move" : "crosshair";
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  }
}

/** @param {Box} box @returns {Box} */
const ordered = ([x0, y0, x1, y1]) => [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];

/** @param {Box} box @param {string} handle @param {number} x @param {number} y @returns {Box} */
const resized = ([x0, y0, x1, y1], handle, x, y) => [
  handle.includes("w") ? x : x0, handle.includes("n") ? y : y0, handle.includes("e") ? x : x1, handle.includes("s") ? y : y1,
];

/** @param {Box} box */
const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
