/** The stage: one frame with everything laid over it, zoomed and panned. What a pointer does on it is in pointer.js. */
/** @import { Box, FrameState, LabelledBox, Prediction } from "./types.js" */
/** @import { Boxes } from "./boxes.js" */
/** @import { Model } from "./model.js" */
/** @import { Gestures } from "./pointer.js" */
/** @import { ViewState } from "./view_state.js" */
import { drawBox, drawGaze, drawHeat, fitted } from "./draw.js";
import { ordered, Pointer } from "./pointer.js";

const MAX_ZOOM = 40;
const HEAT_MS = 1000;

export class Stage {
  /** @type {{frame: number, image: HTMLImageElement} | null} */ #picture = null;
  view = { scale: 1, x: 0, y: 0 };
  #fit = true;
  #asked = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Model} model
   * @param {ViewState} viewState
   * @param {Boxes} boxes
   * @param {Gestures} gestures
   */
  constructor(canvas, model, viewState, boxes, gestures) {
    this.canvas = canvas;
    this.model = model;
    this.viewState = viewState;
    this.boxes = boxes;
    this.pointer = new Pointer(this, gestures);
    new ResizeObserver(() => { if (this.#fit) this.fit(); else this.draw(); }).observe(canvas);
  }

  /** The picture of the frame shown, null as long as it is not there. */
  get picture() { return this.#picture?.frame === this.viewState.frame ? this.#picture.image : null; }

  /** @param {number} frame @param {HTMLImageElement} image */
  put(frame, image) {
    this.#picture = { frame, image };
    this.draw();
  }

  /** Fit the whole frame. */
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

  /** Moves the view. @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.view = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.#fit = false;
  }

  /** Gives up what is being drawn or dragged. */
  cancel() { this.pointer.cancel(); }

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
    const { picture } = this;
    if (!picture) return;
    context.translate(this.view.x, this.view.y);
    context.scale(this.view.scale, this.view.scale);
    const [w, h] = this.model.project.size_px;
    context.imageSmoothingEnabled = this.view.scale < 6; // pixels are seen as pixels when far in
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, w, h);
    const state = this.model.view(this.viewState.frame);
    if (this.viewState.heat) this.#paintHeat(context);
    if (state && !this.viewState.hidden) this.#paintBoxes(context, state);
    if (state && this.viewState.gaze) this.#paintGaze(context, state);
    this.#paintTool(context, w, h);
  }

  /** @param {CanvasRenderingContext2D} context @param {FrameState} state */
  #paintBoxes(context, state) {
    const { scale } = this.view;
    for (const item of this.boxes.guesses) drawBox(context, item, this.model.label(item.label), { scale, faint: true });
    const { drag } = this.pointer;
    const selectedLast = [...state.boxes].sort((a, b) => Number(a.id === this.viewState.selected) - Number(b.id === this.viewState.selected));
    for (const box of selectedLast) {
      const dragged = drag && "id" in drag && drag.id === box.id ? { ...box, box: drag.box } : box;
      drawBox(context, dragged, this.model.label(box.label), { scale, selected: box.id === this.viewState.selected });
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {FrameState} state */
  #paintGaze(context, state) {
    const { fixations, place, project } = this.model;
    const k = this.viewState.fixation === null ? undefined : place.get(this.viewState.fixation);
    const gaze = (state.gaze ?? []).filter(([, x]) => x !== null);
    const onFixation = k !== undefined && fixations.frame[k] === this.viewState.frame;
    /** @type {[number, number] | null} */
    const centre = onFixation ? [fixations.x_px[k], fixations.y_px[k]]
      : gaze.length ? [mean(gaze.map((sample) => sample[1])), mean(gaze.map((sample) => sample[2]))] : null;
    drawGaze(context, gaze, centre, project.ring_px ?? project.size_px[0] / 40, this.view.scale);
  }

  /** @param {CanvasRenderingContext2D} context */
  #paintHeat(context) {
    const { fixations, times, project } = this.model;
    const now = times[this.viewState.frame];
    const near = fixations.id.map((_, k) => k).filter((k) => fixations.offset_ms[k] > now - HEAT_MS && fixations.onset_ms[k] < now + HEAT_MS);
    drawHeat(context, fixations, near, project.size_px[0] / 22);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} w @param {number} h */
  #paintTool(context, w, h) {
    const { drag, at } = this.pointer;
    if (drag?.kind === "draw") {
      const label = this.boxes.next;
      const item = { label: label?.id ?? 0, box: ordered(drag.box), score: 1 };
      drawBox(context, item, label, { scale: this.view.scale, named: false });
    } else if (this.viewState.drawing && at) {
      const px = 1 / this.view.scale;
      const [x, y] = this.scene(...at);
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
  scene(x, y) {
    const [w, h] = this.model.project.size_px;
    const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(0, Math.min(most, value));
    return [clip((x - this.view.x) / this.view.scale, w), clip((y - this.view.y) / this.view.scale, h)];
  }

  /** The smallest box at a point; among boxes, predicted ones too. @param {number} x scene pixels @param {number} y @returns {LabelledBox | Prediction | null} */
  boxAt(x, y) {
    const boxes = this.viewState.hidden ? [] : this.viewState.mode === "box" ? this.boxes.all : this.boxes.view?.boxes ?? [];
    const holding = boxes.filter(({ box: [x0, y0, x1, y1] }) => x >= x0 && x < x1 && y >= y0 && y < y1);
    return holding.sort((a, b) => area(a.box) - area(b.box))[0] ?? null;
  }
}

/** @param {Box} box */
const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
