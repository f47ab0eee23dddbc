/**
 * The page's copy of the project: the last state from the server, with the unsaved edits applied to it.
 * It tells its listeners what changed; it draws nothing.
 */
/** @import { Edit, FrameState, Fixations, Label, Project, Track } from "./types.js" */
import { get, post } from "./api.js";
import { apply, deletes } from "./edits.js";
import { Outbox } from "./outbox.js";

const KEEP_FRAMES = 400;
/** Label of what is none of the objects; own labels have larger numbers, "cannot tell" a smaller one. */
export const BACKGROUND = 0;

/** Names of what listeners can hear: see `Model.emit`. @typedef {"frame" | "fixations" | "labels" | "numbered" | "outbox" | "model" | "predictions" | "refused" | "saved" | "went" | "nothing" | "stats" | "anew" | "propagation" | "back"} Topic */

/** What a project is known by, whatever it is called and wherever it is served. @param {Project} project */
export const identity = (project) => encodeURIComponent(project.uuid ?? `${project.name} ${project.recording}`);

export class Model {
  /** @type {Project} */ project = /** @type {any} */ (null);
  /** @type {Float64Array} frame times, ms */ times = new Float64Array();
  /** @type {Fixations} */ fixations = { id: [], onset_ms: [], offset_ms: [], x_px: [], y_px: [], frame: [], label: [], source: [], suggestion: [], confidence: [], by_model: [] };
  /** @type {Map<number, number>} place of a fixation in the columns */ place = new Map();
  /** @type {Outbox} */ outbox = /** @type {any} */ (null);
  /** @type {Map<number, FrameState>} */ #frames = new Map();
  /** @type {Map<number, Promise<FrameState>>} */ #asked = new Map();
  /** @type {Map<number, number>} frame -> version that it has, as told before it came */ #told = new Map();
  /** @type {Set<number>} frames of which all boxes were deleted here */ #emptied = new Set();
  /** The frame on the stage: asked for again when it has changed, never left without its state. */ shownFrame = 0;
  /** @type {Record<string, any>} counts of the project */ stats = {};
  /** This page has started the propagation that runs. */ propagating = false;
  /** @type {Map<Topic, ((detail?: any) => void)[]>} */ #listeners = new Map();

  /** @param {string} tab @param {() => string} author */
  constructor(tab, author) {
    this.tab = tab;
    this.author = author;
  }

  /** @param {Topic} topic @param {(detail?: any) => void} listener */
  on(topic, listener) {
    this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), listener]);
  }

  /** @param {Topic} topic @param {any} [detail] */
  emit(topic, detail) {
    for (const listener of this.#listeners.get(topic) ?? []) listener(detail);
  }

  async open() {
    this.project = await get("/api/project");
    const times = await fetch("/api/times");
    this.times = new Float64Array(await times.arrayBuffer());
    this.outbox = new Outbox({
      project: identity(this.project), tab: this.tab, author: this.author,
      same: async () => this.is(await get("/api/project")),
      known: (frame) => this.#frames.get(frame),
      load: (frame) => this.frame(frame),
      onSaved: (edit, answer, ms) => this.#saved(edit, answer, ms),
      onNumbered: (boxes) => this.emit("numbered", boxes),
      onRefused: (edit, reason) => this.#refused(edit, reason),
      unchanged: (edit) => this.#unchanged(edit),
      onChange: () => this.emit("outbox"),
    });
    await Promise.all([this.loadFixations(), this.loadStats()]);
    await this.outbox.restore();
  }

  /** The study's own labels first, then background and "cannot tell". */
  get labels() { return [...this.project.labels].sort((a, b) => Number(a.id <= BACKGROUND) - Number(b.id <= BACKGROUND)); }

  /** @param {number | null | undefined} id @returns {Label | undefined} */
  label(id) { return this.project.labels.find((label) => label.id === id); }

  /** @param {Project} project */
  is(project) { return identity(project) === identity(this.project); }

  async loadProject() {
    this.project = await get("/api/project");
    this.emit("labels");
    this.emit("model", this.project.model);
  }

  async loadStats() {
    this.stats = await get("/api/stats").catch(() => this.stats);
    this.emit("stats");
  }

  async loadFixations() {
    this.fixations = await get("/api/fixations");
    this.place = new Map(this.fixations.id.map((id, k) => [id, k]));
    for (const edit of this.outbox.waiting) this.#overFixation(edit);
    this.emit("fixations");
  }

  /** @param {Edit} edit @returns {Promise<boolean>} */
  async #unchanged(edit) {
    const { id, label } = await get("/api/fixations");
    return label[id.indexOf(edit.fixation)] === edit.seen;
  }

  /** @param {number} frame @returns {Promise<FrameState>} the frame, asked for once */
  frame(frame) {
    const known = this.#frames.get(frame);
    if (known?.predictions) return Promise.resolve(known);
    const asked = this.#asked.get(frame);
    if (asked) return asked;
    const promise = get(`/api/frames/${frame}`).then((state) => this.receive(state)).finally(() => this.#asked.delete(frame));
    this.#asked.set(frame, promise);
    return promise;
  }

  /** The frame with the waiting edits laid over it. @param {number} frame @returns {FrameState | undefined} */
  view(frame) {
    const known = this.#frames.get(frame);
    const shown = known && this.#emptied.has(frame) ? { ...known, predictions: [] } : known;
    return shown && this.outbox.waiting.filter((edit) => edit.frame === frame).reduce(apply, shown);
  }

  /** An answer that was overtaken by a newer one is not taken. @param {FrameState} state @returns {FrameState} */
  receive(state) {
    const known = this.#frames.get(state.frame);
    const newest = known && known.version > state.version ? { ...state, ...known } : { ...known, ...state };
    this.#frames.delete(state.frame);
    this.#frames.set(state.frame, newest);
    if (this.#frames.size > KEEP_FRAMES) this.#frames.delete(/** @type {number} */ (this.#frames.keys().next().value));
    const told = this.#told.get(state.frame) ?? 0;
    this.#told.delete(state.frame);
    if (told > newest.version) this.#reload(state.frame);
    this.emit("frame", state.frame);
    return newest;
  }

  /** Asks again for frames that changed, once they are looked at. @param {number} [frame] all if not given */
  forget(frame) {
    const gone = frame === undefined ? new Set([...this.#frames.keys(), ...this.#asked.keys()]) : [frame];
    for (const index of gone) {
      const asked = this.#asked.get(index); // its answer may be of before
      if (asked) asked.catch(() => {}).then(() => this.#reload(index));
      else if (index === this.shownFrame) this.#reload(index);
      else this.#frames.delete(index);
    }
  }

  /** @param {number} frame */
  #reload(frame) { get(`/api/frames/${frame}`).then((state) => this.receive(state)).catch(() => {}); }

  /** A frame was changed, here or elsewhere. @param {number} frame @param {number} version */
  heard(frame, version) {
    if ((this.#frames.get(frame)?.version ?? -1) >= version) return;
    this.#told.set(frame, version);
    const answered = this.#asked.has(frame) || this.outbox.waiting.some((edit) => edit.frame === frame);
    if (!answered) this.forget(frame); // else what comes is looked at then
  }

  /** Much may have changed: everything is read again. */
  async anew() {
    this.forget();
    await Promise.all([this.loadProject(), this.loadFixations(), this.loadStats()]);
    this.emit("anew");
  }

  /** @param {Omit<Edit, "nonce" | "author" | "base_version"> & {base_version?: number | null}} edit */
  act(edit) {
    this.outbox.add(edit);
    if (edit.fixation !== undefined) {
      this.#overFixation(/** @type {Edit} */ (edit));
      this.emit("fixations", edit.fixation);
    }
    if (edit.frame !== null) this.emit("frame", edit.frame);
  }

  /** @param {Edit} edit */
  #overFixation(edit) {
    const k = edit.fixation === undefined ? undefined : this.place.get(edit.fixation);
    if (k === undefined) return;
    if (edit.op === "fixation.label") this.fixations.label[k] = edit.label ?? null;
    if (edit.op === "fixation.confirm") this.fixations.label[k] ??= this.fixations.suggestion[k];
    this.fixations.source[k] = edit.op === "fixation.confirm" ? "confirmed" : "manual";
  }

  /** @param {Edit} edit @param {any} answer @param {number} ms */
  #saved(edit, answer, ms) {
    if (answer.state) {
      const { frame, boxes } = answer.state;
      if (deletes(answer.op ?? edit.op)) this.#emptied[boxes.length ? "delete" : "add"](frame);
      this.receive(answer.state);
    }
    if (edit.op.startsWith("label.")) this.loadProject();
    if (["boxes.copy_next", "track.delete", "track.interpolate", "label.merge"].includes(edit.op)) this.forget();
    if (edit.op === "frame.confirm") this.loadStats();
    if (edit.op === "undo" || edit.op === "redo") {
      if (!answer.nothing) this.anew().catch(() => {});
      this.emit(answer.nothing ? "nothing" : "went", answer.nothing ? edit.op : answer);
    }
    this.emit("saved", { edit, answer, ms });
  }

  /** @param {Edit} edit @param {string} reason empty for a conflict */
  #refused(edit, reason) {
    if (edit.frame !== null) this.forget(edit.frame);
    if (edit.fixation !== undefined) this.loadFixations();
    this.emit("refused", { edit, reason });
  }

  /** @param {number} first @param {number} last @returns {Promise<Track[]>} */
  async tracks(first, last) {
    return (await get(`/api/tracks?first=${first}&last=${last}`)).tracks;
  }

  /** The last frame whose time is up to `ms`. @param {number} ms */
  frameAt(ms) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** @param {object} body @returns {Promise<any>} */
  async propagate(body) {
    this.propagating = true;
    try {
      return await post("/api/propagate", { author: this.author(), tab: this.tab, ...body });
    } catch (error) {
      this.propagating = false;
      throw error;
    }
  }
}
