/** What the user can do, one method each; keys, buttons and pointers all end here. */
/** @import { Box, Edit, FrameState, Id, Label, LabelledBox, QueueItem } from "./types.js" */
/** @import { Model } from "./model.js" */
/** @import { Pictures } from "./pictures.js" */
/** @import { Queue } from "./queue.js" */
/** @import { Stage } from "./stage.js" */
/** @import { Timeline } from "./timeline.js" */
import { post } from "./api.js";
import { askLabel, askNumber, sure } from "./dialogs.js";
import { toast } from "./dom.js";

const BACKGROUND = 0;
const SECOND_MS = 1000;

export class Annotator {
  /** @type {import("./stage.js").Shown & {playing: boolean}} */
  shown = { mode: "fixation", frame: 0, fixation: null, selected: null, drawing: false, gaze: true, heat: false, hidden: false, label: 1, playing: false };
  /** @type {Stage} */ stage = /** @type {any} */ (null);
  /** @type {Queue} */ queue = /** @type {any} */ (null);
  /** @type {Timeline} */ timeline = /** @type {any} */ (null);
  /** Milliseconds from a step to the frame with its boxes on the stage. @type {number[]} */ stepMs = [];
  /** @type {{accepted: boolean, at: number}[]} fixations labelled in this sitting */ labelled = [];
  #direction = 1;

  /**
   * @param {Model} model
   * @param {Pictures} pictures
   * @param {() => void} onShow something other than boxes has changed
   */
  constructor(model, pictures, onShow) {
    this.model = model;
    this.pictures = pictures;
    this.onShow = onShow;
    this.shown.label = model.labels.find((label) => label.id > 0)?.id ?? BACKGROUND;
  }

  // ---- going about ----

  /** @param {number} frame @param {number | null} [fixation] */
  async go(frame, fixation = this.#fixationIn(frame)) {
    const started = performance.now();
    const last = this.model.project.n_frames - 1;
    const next = Math.max(0, Math.min(last, frame));
    if (next !== this.shown.frame) {
      this.#direction = Math.sign(next - this.shown.frame);
      this.shown.selected = null;
      this.stage.cancel();
    }
    Object.assign(this.shown, { frame: next, fixation });
    this.onShow();
    try {
      const [picture] = await Promise.all([this.pictures.get(next), this.model.frame(next)]);
      if (this.shown.frame !== next) return;
      this.stage.picture = picture;
      this.stage.draw();
      this.onShow();
      requestAnimationFrame(() => { this.stepMs.push(performance.now() - started); });
      this.pictures.ahead(next, this.#direction);
      for (const near of [next + this.#direction, next + 2 * this.#direction]) if (near >= 0 && near <= last) this.model.frame(near).catch(() => {});
    } catch (error) {
      if (this.shown.frame === next && !this.model.outbox.offline) toast(`Frame ${next} could not be shown: ${/** @type {Error} */ (error).message}`, { error: true });
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
  step(frames) { this.go(this.shown.frame + frames); }

  /** @param {number} seconds */
  skip(seconds) { this.go(this.model.frameAt(this.model.times[this.shown.frame] + seconds * SECOND_MS)); }

  /** @param {number} direction @param {boolean} open only those without a label */
  nextFixation(direction, open = false) {
    const { id, label, frame } = this.model.fixations;
    const here = this.shown.fixation === null ? undefined : this.model.place.get(this.shown.fixation);
    let k = here === undefined ? this.#nearest(direction, frame) : here + direction;
    while (open && k >= 0 && k < id.length && label[k] !== null) k += direction;
    if (k >= 0 && k < id.length) this.goFixation(id[k]);
    else toast(open ? "No fixation without a label that way." : "No fixation that way.");
  }

  /** @param {number} direction @param {number[]} frames */
  #nearest(direction, frames) {
    const after = frames.findIndex((frame) => frame > this.shown.frame);
    if (direction > 0) return after < 0 ? frames.length : after;
    return (after < 0 ? frames.length : after) - 1;
  }

  async uncertain() {
    await this.queue.refresh({ order: "uncertainty" });
    this.queue.current = null;
    if (!this.queue.next()) toast("Nothing left in the queue.");
  }

  #advance() {
    if (this.queue.next()) return;
    if (this.shown.mode === "fixation" && this.model.fixations.label.includes(null)) this.queue.refresh().then(() => this.queue.next());
  }

  play() {
    this.shown.playing = !this.shown.playing;
    this.onShow();
    if (!this.shown.playing) return;
    const started = performance.now() - this.model.times[this.shown.frame];
    const tick = async () => {
      if (!this.shown.playing) return;
      const due = this.model.frameAt(performance.now() - started);
      if (due >= this.model.project.n_frames - 1) this.shown.playing = false;
      if (due > this.shown.frame) await this.go(due);
      requestAnimationFrame(tick);
    };
    tick();
  }

  /** @param {"fixation" | "box"} [mode] */
  setMode(mode = this.shown.mode === "box" ? "fixation" : "box") {
    this.shown.mode = mode;
    this.shown.drawing = false;
    this.stage.draw();
    this.onShow();
    this.queue.refresh({ kind: mode === "fixation" ? "fixation" : "frame" });
  }

  // ---- labels ----

  /** @param {Label} label */
  pick(label) {
    if (this.shown.mode === "fixation") return this.#labelFixation(label.id);
    if (this.shown.selected !== null) this.#edit({ op: "box.update", id: this.shown.selected, label: label.id });
    this.shown.label = label.id;
    this.onShow();
  }

  /** @param {string} key */
  pickKey(key) {
    const label = this.model.labels.find((candidate) => (candidate.key ?? "").toLowerCase() === key.toLowerCase());
    if (label) this.pick(label);
    else toast(`No label has the key ${key}. Add one at the right.`);
  }

  /** @param {number} label */
  #labelFixation(label) {
    const { fixation } = this.shown;
    const k = fixation === null ? undefined : this.model.place.get(fixation);
    if (fixation === null || k === undefined) return toast("No fixation in this frame: S goes to the next one.");
    const { suggestion, frame, confidence, label: labels } = this.model.fixations;
    const guess = suggestion[k];
    const accepted = guess !== null && guess === label;
    if (guess !== null) this.labelled.push({ accepted, at: performance.now() });
    else this.labelled.push({ accepted: false, at: performance.now() });
    this.model.act({ op: accepted ? "fixation.confirm" : "fixation.label", fixation, label, frame: frame[k] < 0 ? null : frame[k], seen: labels[k], ...(accepted && confidence[k] !== null ? { confidence: confidence[k] } : {}) });
    this.#advance();
  }

  confirm() {
    if (this.shown.mode === "box") return this.#confirmFrame();
    const k = this.shown.fixation === null ? undefined : this.model.place.get(this.shown.fixation);
    if (k === undefined) return this.nextFixation(1);
    const label = this.model.fixations.label[k] ?? this.model.fixations.suggestion[k];
    if (label === null || label === undefined) return toast("Nothing is suggested here yet: press the key of a label.");
    this.#labelFixation(label);
  }

  async #confirmFrame() {
    const state = await this.model.frame(this.shown.frame).catch(() => null);
    if (!state) return toast("This frame is not here yet: nothing was confirmed.", { error: true });
    const seen = this.model.view(state.frame) ?? state;
    const taken = seen.boxes.length ? [] : state.predictions ?? [];
    const boxes = taken.map(({ label, box, score }) => ({ label, box, score }));
    if (!seen.confirmed) this.model.act({ op: "frame.confirm", frame: state.frame, ...(boxes.length ? { boxes } : {}) });
    this.#advance();
  }

  /** @param {string} name */
  addLabel(name) { this.model.act({ op: "label.add", name, frame: null }); }

  /** @param {Label} label */
  async editLabel(label) {
    const answer = await askLabel(label, this.model.labels);
    if (!answer) return;
    if (answer.into !== null) return this.model.act({ op: "label.merge", label: label.id, into: answer.into, frame: null });
    /** @type {Partial<Edit>} */
    const changes = {};
    if (answer.name && answer.name !== label.name) changes.name = answer.name;
    if (answer.colour !== label.colour) changes.colour = answer.colour;
    if (answer.group !== (label.group ?? "")) changes.group = answer.group;
    if (Object.keys(changes).length) this.model.act({ op: "label.update", label: label.id, frame: null, ...changes });
  }

  // ---- boxes ----

  /** @param {Partial<Edit> & {op: string}} edit in the frame shown */
  #edit(edit) { this.model.act({ ...edit, frame: this.shown.frame }); }

  /** @returns {FrameState | undefined} */
  #view() { return this.model.view(this.shown.frame); }

  /** @returns {LabelledBox | undefined} */
  get selectedBox() { return this.#view()?.boxes.find((box) => box.id === this.shown.selected); }

  /** @param {LabelledBox | null} box */
  select(box) {
    if (this.shown.mode === "fixation") {
      if (box) this.#labelFixation(box.label);
      return;
    }
    this.shown.selected = box?.id ?? null;
    this.stage.draw();
    this.onShow();
  }

  /** @param {number} direction */
  selectNext(direction) {
    const boxes = this.#view()?.boxes ?? [];
    if (!boxes.length) return;
    const here = boxes.findIndex((box) => box.id === this.shown.selected);
    this.shown.mode = "box";
    this.select(boxes[(here + direction + boxes.length + (here < 0 && direction < 0 ? 1 : 0)) % boxes.length]);
  }

  /** @param {Box} box */
  draw(box) {
    if (this.shown.label <= BACKGROUND) {
      toast("Background has no boxes: press the key of a label first.", { error: true });
      return;
    }
    const temp = `new-${Math.random().toString(36).slice(2)}`;
    const label = this.#free(this.shown.label);
    this.#edit({ op: "box.add", temp, label, box: /** @type {Box} */ (box.map(cents)) });
    this.shown.selected = temp;
    this.onShow();
  }

  /** The label for a new box; where it may be in a frame once and is there already, one that the frame lacks. @param {number} label */
  #free(label) {
    const there = new Set(this.#view()?.boxes.map((box) => box.label));
    const { group } = this.model.label(label) ?? {};
    if (!group || !there.has(label)) return label;
    const lacking = this.model.labels.filter((other) => other.id > BACKGROUND && !there.has(other.id));
    return (lacking.find((other) => other.group === group) ?? lacking[0])?.id ?? label;
  }

  drawAtGaze() {
    const [w, h] = this.model.project.size_px;
    const samples = this.#view()?.gaze ?? [];
    const [, x, y] = samples[samples.length >> 1] ?? [0, w / 2, h / 2];
    this.setMode("box");
    this.draw([Math.max(0, x - w / 10), Math.max(0, y - h / 10), Math.min(w, x + w / 10), Math.min(h, y + h / 10)]);
  }

  /** @param {Id} id @param {Box} box */
  change(id, box) {
    const old = this.#view()?.boxes.find((candidate) => candidate.id === id);
    const moved = /** @type {Box} */ (box.map(cents));
    if (!old || moved.every((side, k) => Math.abs(side - old.box[k]) < 0.01)) return;
    if (moved[2] - moved[0] < 1 || moved[3] - moved[1] < 1) return toast("A box is at least 1 px wide and high.");
    this.#edit({ op: "box.update", id, box: moved });
  }

  /** @param {number} dx @param {number} dy @param {boolean} stretch */
  nudge(dx, dy, stretch) {
    const box = this.selectedBox?.box;
    if (!box || this.shown.selected === null) return toast("Select a box first: B.");
    const [w, h] = this.model.project.size_px;
    const [x0, y0, x1, y1] = box;
    const mx = Math.max(-x0, Math.min(w - x1, dx));
    const my = Math.max(-y0, Math.min(h - y1, dy));
    this.change(this.shown.selected, stretch ? [x0, y0, Math.min(w, x1 + dx), Math.min(h, y1 + dy)] : [x0 + mx, y0 + my, x1 + mx, y1 + my]);
  }

  /** @param {LabelledBox | undefined} [box] */
  remove(box = this.selectedBox) {
    if (!box) return toast("Select a box first: B.");
    this.#edit({ op: "box.delete", id: box.id });
    this.shown.selected = null;
    this.onShow();
  }

  async removeTrack() {
    const box = this.selectedBox;
    if (!box || box.track === null) return toast("Select a box first: B.");
    const track = (await this.model.tracks(0, this.model.project.n_frames - 1)).find((candidate) => candidate.track === box.track);
    const frames = track?.spans.reduce((sum, [first, last]) => sum + last - first + 1, 0) ?? 1;
    const name = this.model.label(box.label)?.name;
    if (await sure("Delete in all frames?", `“${name}” is deleted in about ${frames} frame${frames === 1 ? "" : "s"}. Undo brings it back.`, "Delete everywhere")) this.#edit({ op: "track.delete", track: box.track });
  }

  async copyNext() {
    const { frame, selected } = this.shown;
    if (frame + 1 >= this.model.project.n_frames) return toast("This is the last frame.");
    if (!this.#view()?.boxes.length) return toast("No box to copy in this frame.");
    this.#edit({ op: "boxes.copy_next", ...(selected === null ? {} : { ids: [selected] }) });
    await this.model.outbox.idle();
    this.go(frame + 1);
  }

  async keyframe() {
    const box = this.selectedBox;
    if (!box) return toast("Select a box first: B.");
    this.#edit({ op: "box.update", id: box.id, keyframe: !box.keyframe });
  }

  /** Keyframes of the selected track that here lies between; the last two if none follows. @returns {Promise<[number | undefined, number | undefined] | null>} */
  async #around() {
    const box = this.selectedBox;
    if (!box) {
      toast("Select a box first: B.");
      return null;
    }
    await this.model.outbox.idle();
    const tracks = await this.model.tracks(0, this.model.project.n_frames - 1);
    const keys = tracks.find((track) => track.track === (this.selectedBox ?? box).track)?.keyframes ?? [];
    const here = this.shown.frame;
    const next = keys.find((key) => key > here);
    return next === undefined ? [keys.findLast((key) => key < here), keys.findLast((key) => key <= here)] : [keys.findLast((key) => key <= here), next];
  }

  async middle() {
    const around = await this.#around();
    if (around?.[0] === undefined || around[1] === undefined || around[1] - around[0] < 2) return around && toast("No two keyframes with frames between them here.");
    this.go(Math.round((around[0] + around[1]) / 2));
  }

  async interpolate() {
    const around = await this.#around();
    const box = this.selectedBox;
    if (!around || !box || box.track === null) return;
    const [first, last] = around;
    if (first === undefined || last === undefined || last - first < 2) return toast("Draw the box in an earlier and in a later frame first; the frames between are then filled.");
    this.#edit({ op: "track.interpolate", track: box.track, first, last });
    toast(`Filled between frames ${first} and ${last}.`);
  }

  /** @param {1 | -1} direction */
  async propagate(direction) {
    const boxes = this.#view()?.boxes ?? [];
    if (!boxes.length) return toast("No box to propagate in this frame.");
    const { frame, selected } = this.shown;
    const room = direction > 0 ? this.model.project.n_frames - 1 - frame : frame;
    if (!room) return toast("No frames that way.");
    this.timeline.range = [frame, frame + direction * Math.min(30, room)];
    this.timeline.draw();
    const what = selected === null ? "all boxes" : "the selected box";
    const count = await askNumber(`Propagate ${direction > 0 ? "forward" : "backward"}`, `Frames to carry ${what} through; it stops where it is no longer sure.`, Math.min(30, room), 1, room);
    this.timeline.range = count === null ? null : [frame, frame + direction * count];
    this.timeline.draw();
    if (count === null) return;
    await this.model.outbox.idle();
    const ids = this.shown.selected === null ? null : [this.shown.selected];
    await this.#told(this.model.propagate({ frame, ids, stop_frame: frame + direction * count }), "Propagating…");
    this.timeline.range = null;
  }

  // ---- the project ----

  undo() { this.model.act({ op: "undo", frame: null }); }

  redo() { this.model.act({ op: "redo", frame: null }); }

  async update() {
    await this.model.outbox.idle();
    await this.#told(post("/api/model/update", {}), null);
  }

  async escape() {
    if (this.shown.drawing || this.shown.playing || this.shown.selected !== null) {
      Object.assign(this.shown, { drawing: false, playing: false, selected: null });
      this.stage.cancel();
      this.onShow();
    } else await this.#told(post("/api/model/cancel", {}), null);
  }

  /** @param {Promise<any>} promise @param {string | null} text */
  async #told(promise, text) {
    try {
      await promise;
      if (text) toast(text);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { error: true });
    }
  }
}

/** @param {number} value to a hundredth of a pixel */
const cents = (value) => Math.round(value * 100) / 100;
