/** What the user can do with labels, fixations and the model; boxes, tracks and navigation have files of their own. */
/** @import { Edit, Label } from "./types.js" */
/** @import { Boxes } from "./boxes.js" */
/** @import { Navigation } from "./navigation.js" */
/** @import { Model } from "./model.js" */
/** @import { ViewState } from "./view_state.js" */
import { post } from "./api.js";
import { askLabel } from "./dialogs.js";
import { withToast, toast } from "./dom.js";
import { BACKGROUND } from "./model.js";

export class Annotator {
  /** Fixations labelled in this sitting; whether the model's suggestion was taken, null where it made none or there was an answer already. @type {{accepted: boolean | null, at: number}[]} */ labelled = [];
  /** This page has requested an update and will report its outcome. */ updating = false;

  /** @param {Model} model @param {ViewState} viewState @param {Boxes} boxes @param {Navigation} navigation */
  constructor(model, viewState, boxes, navigation) {
    this.model = model;
    this.viewState = viewState;
    this.boxes = boxes;
    this.navigation = navigation;
  }

  /** @param {"fixation" | "box"} [mode] */
  setMode(mode = this.viewState.mode === "box" ? "fixation" : "box") {
    Object.assign(this.viewState, { mode, drawing: false, selected: null });
    this.navigation.onShow();
    this.navigation.queue.refresh({ kind: mode === "fixation" ? "fixation" : "frame" });
    if (mode === "box") this.model.loadStats();
  }

  /** @param {Label} label */
  pick(label) {
    if (this.viewState.mode === "fixation") this.labelFixation(label.id);
    else this.boxes.pick(label);
  }

  /** @param {string} key */
  pickKey(key) {
    const label = this.model.labels.find((candidate) => (candidate.key ?? "").toLowerCase() === key.toLowerCase());
    if (label) this.pick(label);
    else toast(`No label has the key ${key}: L adds one.`);
  }

  /** @param {number} label */
  labelFixation(label) {
    const { fixation } = this.viewState;
    const k = fixation === null ? undefined : this.model.place.get(fixation);
    if (fixation === null || k === undefined) return toast("No fixation in this frame: S goes to the next one.");
    if (!this.navigation.stage.picture && !(this.navigation.refused && label < BACKGROUND)) return this.#unseen("labelled");
    const { suggestion, frame, confidence, by_model, label: labels } = this.model.fixations;
    const right = suggestion[k] === label;
    this.labelled.push({ accepted: by_model[k] && labels[k] === null ? right : null, at: performance.now() });
    this.model.act({
      op: right ? "fixation.confirm" : "fixation.label", fixation, label, frame: frame[k] < 0 ? null : frame[k], seen: labels[k],
      ...(right && confidence[k] !== null ? { confidence: confidence[k] } : {}),
    });
    this.navigation.advance();
  }

  /** @param {string} done what was not */
  #unseen(done) { toast(`The picture of frame ${this.viewState.frame} ${this.navigation.refused ? "cannot be shown" : "has not loaded yet"}: nothing was ${done}.`); }

  async confirm() {
    if (this.viewState.mode === "box") {
      if (!this.navigation.stage.picture) return this.#unseen("confirmed");
      if (await this.boxes.confirm()) this.navigation.advance();
      return;
    }
    const k = this.viewState.fixation === null ? undefined : this.model.place.get(this.viewState.fixation);
    if (k === undefined) return this.navigation.nextFixation(1);
    const label = this.model.fixations.label[k] ?? this.model.fixations.suggestion[k];
    if (label === null || label === undefined) return toast("No suggestion here yet: press the key of a label.");
    this.labelFixation(label);
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

  /** @param {"undo" | "redo"} op */
  step(op) { this.model.act({ op, frame: null }); }

  async update() {
    await this.model.outbox.idle();
    const answer = await withToast(post("/api/model/update", {}));
    this.updating = Boolean(answer?.started);
    if (answer && !answer.started) toast(answer.message);
  }

  async escape() {
    if (this.viewState.drawing || this.viewState.playing || this.viewState.selected !== null) {
      Object.assign(this.viewState, { drawing: false, playing: false, selected: null });
      this.navigation.stage.cancel();
      this.navigation.onShow();
    } else await this.stop();
  }

  /** Learning and propagating end; what was reached so far is kept where it is whole. */
  async stop() { await withToast(post("/api/model/cancel", {})); }
}
