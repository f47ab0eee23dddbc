/** What a pointer does on the stage: pan, zoom, draw, select, move and resize. It changes nothing itself: see `Gestures`. */
/** @import { Box, Id, LabelledBox, Prediction } from "./types.js" */
/** @import { Stage } from "./stage.js" */
import { HANDLE_PX, handles } from "./draw.js";

const MIN_BOX_PX = 3;

/**
 * @typedef {object} Gestures
 * @property {(box: Box) => void} onDraw
 * @property {(id: Id, box: Box) => void} onChange a box was moved or resized
 * @property {(item: LabelledBox | Prediction | null) => void} onSelect
 * @property {() => void} onDrawn drawing has ended, with or without a box
 *
 * @typedef {{kind: "pan", x: number, y: number} | {kind: "draw", box: Box, clicks: boolean} | {kind: "move" | "resize", id: Id, handle: string, from: [number, number], start: Box, box: Box}} Drag
 */

export class Pointer {
  /** @type {Drag | null} what is being done */ drag = null;
  /** @type {[number, number] | null} where it is on the canvas */ at = null;

  /** @param {Stage} stage @param {Gestures} gestures */
  constructor(stage, gestures) {
    this.stage = stage;
    this.gestures = gestures;
    const { canvas } = stage;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => this.#up());
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("pointerleave", () => { this.at = null; stage.draw(); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      stage.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Gives up what is being drawn or dragged. */
  cancel() {
    if (this.drag?.kind === "draw") this.gestures.onDrawn();
    this.drag = null;
    this.stage.draw();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const { stage } = this;
    stage.canvas.focus({ preventScroll: true });
    if (!stage.picture) return; // there is nothing to point at
    stage.canvas.setPointerCapture(event.pointerId);
    const [x, y] = stage.scene(event.offsetX, event.offsetY);
    if (event.button !== 0 || event.shiftKey) {
      this.drag = { kind: "pan", x: event.offsetX, y: event.offsetY };
    } else if (this.drag?.kind === "draw") { // the second click
      this.drag.box[2] = x;
      this.drag.box[3] = y;
      this.drag.clicks = false;
    } else if (stage.viewState.drawing) {
      this.drag = { kind: "draw", box: [x, y, x, y], clicks: true };
    } else this.#grab(x, y, event);
    stage.draw();
  }

  /** @param {number} x @param {number} y @param {PointerEvent} event */
  #grab(x, y, event) {
    const { stage } = this;
    const { selected } = stage.boxes;
    const reach = (HANDLE_PX + 3) / stage.view.scale;
    const handle = selected && handles(selected.box).find(([, hx, hy]) => Math.abs(hx - x) < reach && Math.abs(hy - y) < reach);
    if (handle) {
      this.drag = { kind: "resize", id: selected.id, handle: handle[0], from: [x, y], start: selected.box, box: selected.box };
      return;
    }
    this.gestures.onSelect(stage.boxAt(x, y));
    const hit = stage.boxes.selected; // of a prediction, the box that it is now
    if (stage.viewState.mode === "fixation") this.drag = { kind: "pan", x: event.offsetX, y: event.offsetY };
    else if (hit) this.drag = { kind: "move", id: hit.id, handle: "nesw", from: [x, y], start: hit.box, box: hit.box };
    else this.drag = { kind: "draw", box: [x, y, x, y], clicks: false };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { stage, drag } = this;
    this.at = [event.offsetX, event.offsetY];
    const [x, y] = stage.scene(event.offsetX, event.offsetY);
    if (drag?.kind === "pan") {
      stage.pan(event.offsetX - drag.x, event.offsetY - drag.y);
      drag.x = event.offsetX;
      drag.y = event.offsetY;
    } else if (drag?.kind === "draw") {
      drag.box[2] = x;
      drag.box[3] = y;
    } else if (drag?.kind === "move") drag.box = moved(drag.start, x - drag.from[0], y - drag.from[1], stage.model.project.size_px);
    else if (drag?.kind === "resize") drag.box = resized(drag.start, drag.handle, x, y);
    this.#cursor(x, y);
    if (drag || stage.viewState.drawing) stage.draw();
  }

  #up() {
    const { drag } = this;
    if (!drag) return;
    if (drag.kind === "draw") {
      const box = ordered(drag.box);
      const large = Math.min(box[2] - box[0], box[3] - box[1]) * this.stage.view.scale >= MIN_BOX_PX;
      if (!large && drag.clicks) return; // the first of two clicks
      this.drag = null;
      if (large) this.gestures.onDraw(box);
      this.gestures.onDrawn();
    } else {
      this.drag = null;
      if (drag.kind !== "pan" && drag.box !== drag.start) this.gestures.onChange(drag.id, ordered(drag.box));
    }
    this.stage.draw();
  }

  /** @param {number} x @param {number} y */
  #cursor(x, y) {
    const { viewState, canvas } = this.stage;
    const over = this.stage.boxAt(x, y);
    canvas.style.cursor = viewState.drawing ? "crosshair" : this.drag?.kind === "pan" ? "grabbing"
      : viewState.mode === "fixation" ? (over ? "pointer" : "grab") : over ? "move" : "crosshair";
  }
}

/** @param {Box} box @returns {Box} */
export const ordered = ([x0, y0, x1, y1]) => [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];

/** A box as if moved, whole and in the frame. @param {Box} box @param {number} dx @param {number} dy @param {[number, number]} size @returns {Box} */
export function moved([x0, y0, x1, y1], dx, dy, [w, h]) {
  const mx = Math.max(-x0, Math.min(w - x1, dx));
  const my = Math.max(-y0, Math.min(h - y1, dy));
  return [x0 + mx, y0 + my, x1 + mx, y1 + my];
}

/** @param {Box} box @param {string} handle @param {number} x @param {number} y @returns {Box} */
const resized = ([x0, y0, x1, y1], handle, x, y) => [
  handle.includes("w") ? x : x0, handle.includes("n") ? y : y0, handle.includes("e") ? x : x1, handle.includes("s") ? y : y1,
];
