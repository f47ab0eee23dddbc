/** Boxes of the frame shown: drawn, selected, moved, relabelled, deleted, confirmed. */
/** @import { Box, Edit, FrameState, Id, Label, LabelledBox, Prediction } from "./types.js" */
/** @import { Model } from "./model.js" */
/** @import { ViewState } from "./view_state.js" */
import { toast } from "./dom.js";
import { nonce } from "./edits.js";
import { BACKGROUND } from "./model.js";
import { moved } from "./pointer.js";

export const SELECT_FIRST = "Select a box first: B.";

export class Boxes {
  /**
   * @param {Model} model
   * @param {ViewState} viewState
   * @param {() => void} onShow
   */
  constructor(model, viewState, onShow) {
    this.model = model;
    this.viewState = viewState;
    this.onShow = onShow;
  }

  /** @returns {FrameState | undefined} */
  get view() { return this.model.view(this.viewState.frame); }

  /** @returns {LabelledBox | undefined} */
  get selected() { return this.view?.boxes.find((box) => box.id === this.viewState.selected); }

  /** Predictions that stand for boxes as long as nobody has made or confirmed any here. */
  get guesses() {
    const { view } = this;
    return view && !view.confirmed && !view.boxes.length ? view.predictions ?? [] : [];
  }

  /** Boxes and predictions that are shown. @returns {(LabelledBox | Prediction)[]} */
  get all() { return [...this.view?.boxes ?? [], ...this.guesses]; }

  /** Label of the next box: as picked, or the first one; of look-alikes one that the frame lacks. @returns {Label | undefined} */
  get next() {
    const own = this.model.labels.filter((label) => label.id > BACKGROUND);
    const picked = own.find((label) => label.id === this.viewState.label) ?? own[0];
    const there = new Set(this.all.map((box) => box.label));
    if (!picked?.group || !there.has(picked.id)) return picked;
    const lacking = own.filter((label) => !there.has(label.id));
    return lacking.find((label) => label.group === picked.group) ?? lacking[0] ?? picked;
  }

  /** @param {Partial<Edit> & {op: string}} edit in the frame shown */
  edit(edit) { this.model.act({ ...edit, frame: this.viewState.frame }); }

  /**
   * Predictions that are shown become boxes of the frame, not reviewed as yet, so that single ones can be changed.
   * @param {LabelledBox | Prediction | null} [item] of those shown
   * @returns {LabelledBox | undefined} the box that it is now
   */
  adopt(item = null) {
    const { guesses } = this;
    const twice = guesses.filter((guess, k) => this.model.label(guess.label)?.group && guesses.some((other, j) => (
      other.label === guess.label && (other.score > guess.score || (other.score === guess.score && j < k)))));
    for (const { label } of twice) toast(`“${this.model.label(label)?.name}” is predicted more than once, and a frame has at most one: only the most confident one is kept. Undo restores the others.`);
    const boxes = guesses.filter((guess) => !twice.includes(guess)).map(({ label, box, score }) => ({ frame: this.viewState.frame, label, box, score }));
    if (boxes.length) this.edit({ op: "boxes.put", temp: newId(), source: "predicted", boxes });
    return this.view?.boxes.find((box) => box === item || (box.label === item?.label && box.box === item.box));
  }

  /** @param {LabelledBox | Prediction | null} item */
  select(item) {
    this.viewState.selected = (item && this.adopt(item)?.id) ?? null;
    this.onShow();
  }

  /** @param {number} direction */
  selectNext(direction) {
    this.adopt();
    const boxes = this.view?.boxes ?? [];
    if (!boxes.length) return toast("No box in this frame.");
    const here = boxes.findIndex((box) => box.id === this.viewState.selected);
    this.select(boxes[(here + direction + boxes.length + (here < 0 && direction < 0 ? 1 : 0)) % boxes.length]);
  }

  /** The selected box gets the label, or the next one if none is selected. @param {Label} label */
  pick(label) {
    if (label.id <= BACKGROUND) return toast(`A box needs one of your own labels; “${label.name}” is for fixations only.`);
    const { selected } = this;
    if (selected) this.edit({ op: "box.update", id: selected.id, label: label.id });
    this.viewState.label = label.id;
    const { next } = this;
    if (!selected && next && next.id !== label.id) toast(`“${label.name}” is in this frame already, and a frame has at most one: the next box is “${next.name}”.`);
    this.onShow();
  }

  /** The next two clicks, or a drag, make a new box; once more: no longer. */
  startDrawing() {
    this.viewState.drawing = !this.viewState.drawing;
    this.viewState.selected = null;
    this.onShow();
  }

  /** @param {Box} box */
  draw(box) {
    const label = this.next;
    if (!label) return toast("Add a label first: L.", { error: true });
    this.adopt();
    const temp = newId();
    this.edit({ op: "box.add", temp, track: "same", label: label.id, box: /** @type {Box} */ (box.map(cents)) });
    this.viewState.selected = temp;
    this.onShow();
  }

  drawAtGaze() {
    const [w, h] = this.model.project.size_px;
    const samples = (this.view?.gaze ?? []).filter(([, x]) => x !== null);
    const [, x, y] = samples[samples.length >> 1] ?? [0, w / 2, h / 2];
    this.draw([Math.max(0, x - w / 10), Math.max(0, y - h / 10), Math.min(w, x + w / 10), Math.min(h, y + h / 10)]);
  }

  /** @param {Id} id @param {Box} box */
  change(id, box) {
    const old = this.view?.boxes.find((candidate) => candidate.id === id);
    const changed = /** @type {Box} */ (box.map(cents));
    if (!old || changed.every((side, k) => Math.abs(side - old.box[k]) < 0.01)) return;
    if (changed[2] - changed[0] < 1 || changed[3] - changed[1] < 1) return toast("A box must be at least 1 px wide and high.");
    this.edit({ op: "box.update", id, box: changed });
  }

  /** @param {number} dx @param {number} dy @param {boolean} stretch */
  nudge(dx, dy, stretch) {
    const { selected } = this;
    if (!selected) return toast(SELECT_FIRST);
    const size = this.model.project.size_px;
    const [x0, y0, x1, y1] = selected.box;
    this.change(selected.id, stretch ? [x0, y0, Math.min(size[0], x1 + dx), Math.min(size[1], y1 + dy)] : moved(selected.box, dx, dy, size));
  }

  /** @param {LabelledBox | Prediction | undefined} [item] */
  remove(item = this.selected) {
    const box = item && this.adopt(item);
    if (!box) return toast(SELECT_FIRST);
    this.edit({ op: "box.delete", id: box.id });
    this.viewState.selected = null;
    this.onShow();
  }

  /** All boxes of the frame are right; where there are none, the predicted ones that are shown. @returns {Promise<boolean>} whether it is confirmed */
  async confirm() {
    const { frame } = this.viewState;
    const state = await this.model.frame(frame).catch(() => null);
    if (this.viewState.frame !== frame) { // what is in it was never seen
      if (!this.model.view(frame)?.confirmed) toast(`You left frame ${frame} before it had loaded: it was not confirmed.`, { error: true });
      return false;
    }
    if (!state) {
      toast("This frame has not loaded yet: nothing was confirmed.", { error: true });
      return false;
    }
    const boxes = this.guesses.map(({ label, box, score }) => ({ label, box, score }));
    if (!this.view?.confirmed && !this.all.length) toast(`Frame ${this.viewState.frame} confirmed without boxes.`);
    if (!this.view?.confirmed) this.edit({ op: "frame.confirm", ...(boxes.length ? { boxes } : {}) });
    return true;
  }
}

/** An id for a box that the server has yet to number. */
const newId = () => `new-${nonce()}`;

/** @param {number} value to a hundredth of a pixel */
const cents = (value) => Math.round(value * 100) / 100;
