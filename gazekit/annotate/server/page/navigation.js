/** Navigation: frames, fixations, the queue, playback. */
/** @import { QueueItem } from "./types.js" */
/** @import { Model } from "./model.js" */
/** @import { Pictures } from "./pictures.js" */
/** @import { Queue } from "./queue.js" */
/** @import { ViewState } from "./view_state.js" */
/** @import { Stage } from "./stage.js" */
import { Unreachable } from "./api.js";
import { withToast, toast } from "./dom.js";

const SECOND_MS = 1000;
const RETRY_MS = 1000;
/** Items of the queue whose frames are fetched ahead. */
const COMING = 3;

export class Navigation {
  /** @type {Stage} */ stage = /** @type {any} */ (null);
  /** @type {Queue} */ queue = /** @type {any} */ (null);
  /** Milliseconds from a step to the frame with its boxes on the stage. @type {number[]} */ stepMs = [];
  /** Why the server does not give the picture of the frame shown, "" where it does or cannot be reached. */ refused = "";
  #direction = 1;
  #turn = 0;

  /**
   * @param {Model} model
   * @param {Pictures} pictures
   * @param {ViewState} viewState
   * @param {() => void} onShow something other than boxes has changed
   */
  constructor(model, pictures, viewState, onShow) {
    this.model = model;
    this.pictures = pictures;
    this.viewState = viewState;
    this.onShow = onShow;
  }

  /** @param {number} frame @param {number | null} [fixation] */
  async go(frame, fixation = this.#fixationIn(frame)) {
    const started = performance.now();
    const next = Math.max(0, Math.min(this.model.project.n_frames - 1, frame));
    if (next !== this.viewState.frame) {
      this.#direction = Math.sign(next - this.viewState.frame);
      this.viewState.selected = null;
      this.stage.cancel();
    }
    Object.assign(this.viewState, { frame: next, fixation });
    this.model.shownFrame = next;
    this.refused = "";
    const picture = this.model.view(next)?.predictions && this.pictures.ready(next);
    if (picture) this.stage.put(next, picture);
    this.onShow();
    const there = await this.#bring(next, ++this.#turn);
    if (there || this.refused) this.onShow();
    if (!there) return;
    requestAnimationFrame(() => { this.stepMs.push(performance.now() - started); });
    this.#ahead(next);
  }

  /** Loads picture and boxes onto the stage; retries until they arrive or the user moves on. @param {number} frame @param {number} turn @returns {Promise<boolean>} whether they came */
  async #bring(frame, turn) {
    while (turn === this.#turn) {
      try {
        const [picture] = await Promise.all([this.pictures.get(frame), this.model.frame(frame)]);
        if (turn !== this.#turn) return false;
        this.stage.put(frame, picture);
        return true;
      } catch (error) {
        if (!(error instanceof Unreachable)) {
          if (turn === this.#turn) this.refused = /** @type {Error} */ (error).message;
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return false;
  }

  /** Prefetches the next items of the queue and the next frames in this direction. @param {number} frame */
  #ahead(frame) {
    const coming = this.queue.coming(COMING).map((item) => item.frame);
    this.pictures.ahead(frame, this.#direction, coming);
    for (const near of [...coming, frame + this.#direction, frame + 2 * this.#direction]) {
      if (near >= 0 && near < this.model.project.n_frames) this.model.frame(near).catch(() => {});
    }
  }

  /** The fixation that a frame falls into. @param {number} frame @returns {number | null} */
  #fixationIn(frame) {
    const { id, onset_ms, offset_ms, frame: frames } = this.model.fixations;
    const t = this.model.times[frame];
    const exact = frames.indexOf(frame);
    if (exact >= 0) return id[exact];
    const k = onset_ms.findLastIndex((onset) => onset <= t);
    return k >= 0 && offset_ms[k] >= t ? id[k] : null;
  }

  /** @param {number} id */
  goFixation(id) {
    const k = this.model.place.get(id);
    if (k === undefined) return;
    this.queue.follow("fixation", id);
    this.go(Math.max(0, this.model.fixations.frame[k]), id);
  }

  /** @param {QueueItem} item */
  goItem(item) {
    if (item.kind === "fixation") this.goFixation(item.id);
    else this.go(item.frame);
  }

  /** @param {number} frames */
  step(frames) { this.go(this.viewState.frame + frames); }

  /** @param {number} seconds */
  skip(seconds) { this.go(this.model.frameAt(this.model.times[this.viewState.frame] + seconds * SECOND_MS)); }

  /** @param {number} direction @param {boolean} [open] only those without a label */
  nextFixation(direction, open = false) {
    const { id, label, frame } = this.model.fixations;
    const here = this.viewState.fixation === null ? undefined : this.model.place.get(this.viewState.fixation);
    let k = here === undefined ? this.#nearest(direction, frame) : here + direction;
    while (open && k >= 0 && k < id.length && label[k] !== null) k += direction;
    if (k >= 0 && k < id.length) this.goFixation(id[k]);
    else toast(open ? "No fixation without a label in that direction." : "No fixation in that direction.");
  }

  /** @param {number} direction @param {number[]} frames */
  #nearest(direction, frames) {
    const after = frames.findIndex((frame) => frame > this.viewState.frame);
    if (direction > 0) return after < 0 ? frames.length : after;
    return (after < 0 ? frames.length : after) - 1;
  }

  async uncertain() {
    if ((await withToast(this.queue.uncertain())) === false) toast("The queue is empty.");
  }

  /** To the next item of the queue that is still to do. */
  async advance() {
    if (this.queue.next() || this.viewState.mode !== "fixation" || !this.model.fixations.label.includes(null)) return;
    await this.queue.refresh();
    this.queue.next();
  }

  play() {
    this.viewState.playing = !this.viewState.playing;
    this.onShow();
    if (!this.viewState.playing) return;
    const started = performance.now() - this.model.times[this.viewState.frame];
    const tick = async () => {
      if (!this.viewState.playing) return;
      const due = this.model.frameAt(performance.now() - started);
      if (due >= this.model.project.n_frames - 1) this.viewState.playing = false;
      if (due > this.viewState.frame) await this.go(due);
      requestAnimationFrame(tick);
    };
    tick();
  }
}
