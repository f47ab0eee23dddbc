/** What concerns a thing in more than one frame: copies, keyframes, interpolation, propagation. */
/** @import { Boxes } from "./boxes.js" */
/** @import { Navigation } from "./navigation.js" */
/** @import { Model } from "./model.js" */
/** @import { ViewState } from "./view_state.js" */
/** @import { Timeline } from "./timeline.js" */
import { SELECT_FIRST } from "./boxes.js";
import { askNumber, sure } from "./dialogs.js";
import { withToast, toast } from "./dom.js";

const PROPAGATED = 30;

export class Tracks {
  /** @type {Timeline} */ timeline = /** @type {any} */ (null);

  /** @param {Model} model @param {ViewState} viewState @param {Boxes} boxes @param {Navigation} navigation */
  constructor(model, viewState, boxes, navigation) {
    this.model = model;
    this.viewState = viewState;
    this.boxes = boxes;
    this.navigation = navigation;
  }

  async copyNext() {
    this.boxes.adopt();
    const { frame, selected } = this.viewState;
    if (frame + 1 >= this.model.project.n_frames) return toast("This is the last frame.");
    if (!this.boxes.view?.boxes.length) return toast("No box to copy in this frame.");
    this.boxes.edit({ op: "boxes.copy_next", ...(selected === null ? {} : { ids: [selected] }) });
    await this.model.outbox.idle();
    this.navigation.go(frame + 1);
  }

  keyframe() {
    const box = this.boxes.selected;
    if (!box) return toast(SELECT_FIRST);
    this.boxes.edit({ op: "box.update", id: box.id, keyframe: !box.keyframe });
  }

  /** The selected box's track; says so and is undefined if no box is selected. */
  async #track() {
    if (!this.boxes.selected) {
      toast(SELECT_FIRST);
      return undefined;
    }
    await this.model.outbox.idle();
    const tracks = await this.model.tracks(0, this.model.project.n_frames - 1);
    return tracks.find((track) => track.track === this.boxes.selected?.track);
  }

  /** Keyframes of the selected track that here lies between, the last or first two if all are on one side; null, and why is said, if nothing lies between. */
  async #around() {
    const track = await this.#track();
    if (!track) return null;
    const keys = track.keyframes ?? [];
    const name = this.model.label(track.label)?.name;
    if (keys.length < 2) {
      toast(`“${name}” has ${keys.length ? `one keyframe, in frame ${keys[0]}` : "no keyframe"}: draw it in an earlier or a later frame too, to fill the frames between.`);
      return null;
    }
    const following = keys.findIndex((key) => key > this.viewState.frame);
    const k = Math.max(1, following < 0 ? keys.length - 1 : following);
    const [before, next] = [keys[k - 1], keys[k]];
    if (next - before > 1) return { track, before, next };
    toast(`No frame lies between ${before} and ${next}, the keyframes of “${name}” here: draw it in a frame farther away too.`);
    return null;
  }

  async middle() {
    const around = await this.#around();
    if (around) this.navigation.go(Math.round((around.before + around.next) / 2));
  }

  async interpolate() {
    const around = await this.#around();
    if (!around) return;
    const { track, before, next } = around;
    this.boxes.edit({ op: "track.interpolate", track: track.track, first: before, last: next });
    toast(`“${this.model.label(track.label)?.name}” was interpolated between frames ${before} and ${next}.`);
  }

  async remove() {
    const track = await this.#track();
    if (!track) return;
    const frames = track.spans.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    const name = this.model.label(track.label)?.name;
    if (await sure("Delete in all frames?", `“${name}” is deleted in about ${frames} frame${frames === 1 ? "" : "s"}. Undo restores it.`, "Delete everywhere")) {
      this.boxes.edit({ op: "track.delete", track: track.track });
    }
  }

  /** @param {1 | -1} direction */
  async propagate(direction) {
    this.boxes.adopt();
    if (!this.boxes.view?.boxes.length) return toast("No box to propagate in this frame.");
    const { frame, selected } = this.viewState;
    const room = direction > 0 ? this.model.project.n_frames - 1 - frame : frame;
    if (!room) return toast("No frames in that direction.");
    const start = Math.min(PROPAGATED, room);
    this.#range(frame, frame + direction * start);
    const what = selected === null ? "all boxes" : "the selected box";
    const count = await askNumber(`Propagate ${direction > 0 ? "forward" : "backward"}`, `Number of frames to propagate ${what} through; it stops where confidence is too low.`, start, 1, room);
    if (count !== null) {
      this.#range(frame, frame + direction * count);
      await this.model.outbox.idle();
      const ids = this.viewState.selected === null ? null : [this.viewState.selected];
      await withToast(this.model.propagate({ frame, ids, stop_frame: frame + direction * count }), "Propagating…");
    }
    this.timeline.range = null;
    this.timeline.draw();
  }

  /** Shows on the timeline what is about to be filled. @param {number} first @param {number} last */
  #range(first, last) {
    this.timeline.range = [first, last];
    this.timeline.draw();
  }
}
