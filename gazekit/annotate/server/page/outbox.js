/**
 * Edits on their way to the server: one at a time, in order, again and again until it answers. They are kept in the
 * browser's storage until then, so that neither a reload nor a server that dies loses one.
 */
/** @import { Conflict, Edit, FrameState, Id, LabelledBox } from "./types.js" */
import { post, Refused, Unreachable } from "./api.js";
import { isDone, nonce, numbered, rebased } from "./edits.js";

const PREFIX = "gazekit.outbox.";
/** Errors that concern the page, not the edit: a restarted server has another token, project or name. */
const SHUT_OUT = [401, 403, 421];

export class Outbox {
  /** @type {Edit[]} */ waiting = [];
  /** @type {Conflict[]} */ conflicts = [];
  /** @type {string | null} why the server cannot be reached */ offline = null;
  /** The server is there and does not let this page in. */ shutOut = false;
  /** @type {Map<number, FrameState>} what the waiting edits of a frame were made on */ #bases = new Map();
  #busy = false;
  #tries = 0;
  /** @type {(() => void) | null} */ #wake = null;

  /**
   * @param {object} options
   * @param {string} options.project what the project is known by, wherever it is served
   * @param {() => Promise<boolean>} options.same whether the server still serves this project
   * @param {(frame: number) => Promise<FrameState>} options.load
   * @param {string} options.tab
   * @param {() => string} options.author
   * @param {(frame: number) => FrameState | undefined} options.known the frame as the server last told it
   * @param {(edit: Edit, answer: any, ms: number) => void} options.onSaved
   * @param {(boxes: Map<Id, LabelledBox>) => void} options.onNumbered new boxes by the ids that they had so far
   * @param {(edit: Edit, reason: string) => void} options.onRefused
   * @param {(edit: Edit) => Promise<boolean>} options.unchanged whether the fixation still has the label it was seen with
   * @param {() => void} options.onChange
   */
  constructor(options) {
    this.options = options;
    this.storageKey = `${PREFIX}${options.project}|${options.tab}`;
  }

  /** Takes up what an earlier page of this tab, or a tab since closed, could not send. */
  async restore() {
    this.#adopt(this.storageKey);
    const others = Object.keys(localStorage).filter((key) => key.startsWith(`${PREFIX}${this.options.project}|`) && key !== this.storageKey);
    if (navigator.locks) {
      navigator.locks.request(this.storageKey, () => new Promise(() => {})); // held as long as this page lives
      for (const key of others) {
        await navigator.locks.request(key, { ifAvailable: true }, async (lock) => {
          if (lock) this.#adopt(key);
        });
      }
    }
    this.#kept();
    this.#pump();
  }

  /** @param {string} key */
  #adopt(key) {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null");
    if (!kept) return;
    this.waiting.push(...kept.waiting);
    this.conflicts.push(...kept.conflicts);
    if (key !== this.storageKey) localStorage.removeItem(key);
  }

  /** @param {Omit<Edit, "nonce" | "author" | "base_version"> & {base_version?: number | null}} edit */
  add(edit) {
    const known = edit.frame === null ? undefined : this.options.known(edit.frame);
    const version = known?.version ?? null;
    if (known && !this.waiting.some((other) => other.frame === edit.frame)) this.#bases.set(known.frame, known);
    this.waiting.push({ base_version: version, nonce: nonce(), author: this.options.author(), t_key: performance.now(), ...edit });
    this.#kept();
    this.#pump();
  }

  /** Resolves when nothing waits. */
  async idle() {
    while (this.waiting.length) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** @param {Conflict} conflict @param {boolean} mine on top, else theirs stays */
  settle(conflict, mine) {
    this.conflicts = this.conflicts.filter((other) => other !== conflict);
    if (mine) this.waiting.push(...rebased(conflict));
    this.#kept();
    this.#pump();
  }

  /** Tries at once, for instance when the server shows a sign of life. */
  retry() {
    this.#wake?.();
  }

  #kept() {
    const empty = !this.waiting.length && !this.conflicts.length;
    if (empty) localStorage.removeItem(this.storageKey);
    else localStorage.setItem(this.storageKey, JSON.stringify({ waiting: this.waiting, conflicts: this.conflicts }));
    this.options.onChange();
  }

  async #pump() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.waiting.length) await this.#sendFirst();
    this.#busy = false;
  }

  async #sendFirst() {
    const edit = this.waiting[0];
    const { temp: _temp, seen: _seen, t_key, ...action } = edit;
    const path = edit.op === "undo" || edit.op === "redo" ? `/api/${edit.op}` : "/api/actions";
    try {
      if (this.offline !== null && !(await this.options.same())) throw new Refused(421, { error: "another project is open at this address now" });
      if (action.frame !== null && action.base_version === null) {
        if (!(await this.#based(edit))) return;
        action.base_version = edit.base_version;
      }
      const answer = await post(path, { tab: this.options.tab, ...action });
      this.#reached();
      this.waiting.shift();
      this.#numbered(edit, answer);
      this.options.onSaved(edit, answer, performance.now() - (t_key ?? performance.now()));
    } catch (error) {
      if (error instanceof Unreachable || (error instanceof Refused && error.status >= 500)) {
        this.shutOut = false;
        return this.#later(error.message);
      }
      if (!(error instanceof Refused)) throw error;
      this.shutOut = SHUT_OUT.includes(error.status);
      if (this.shutOut) return this.#later(error.message);
      this.#reached();
      if (error.status === 409 && edit.frame !== null) await this.#conflict(edit, error.body.state);
      else {
        this.waiting.shift();
        if (edit.op === "boxes.put") this.waiting = this.waiting.filter((other) => other.frame !== edit.frame || other.fixation !== undefined); // were made on these boxes
        this.options.onRefused(edit, error.status === 409 ? "it has been changed since" : error.message);
      }
    }
    this.#kept();
  }

  /**
   * An edit made before its frame was there is sent with the version that the frame has now, so that nothing is
   * overwritten unseen.
   * @param {Edit} edit
   * @returns {Promise<boolean>} false if it was set aside
   */
  async #based(edit) {
    const frame = /** @type {number} */ (edit.frame);
    const state = this.options.known(frame) ?? await this.options.load(frame);
    if (edit.fixation !== undefined && !(await this.options.unchanged(edit))) {
      this.#setAside(edit, state);
      this.#kept();
      return false;
    }
    this.#bases.set(frame, state);
    edit.base_version = state.version;
    this.#kept();
    return true;
  }

  #reached() {
    this.#tries = 0;
    this.offline = null;
    this.shutOut = false;
  }

  /** @param {string} reason */
  async #later(reason) {
    this.offline = reason;
    this.options.onChange();
    const ms = Math.min(5000, 250 * 2 ** this.#tries++);
    await new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
      setTimeout(resolve, ms);
    });
  }

  /**
   * The server numbers new boxes and versions; what waits on them learns the numbers.
   * @param {Edit} edit
   * @param {any} answer
   */
  #numbered(edit, answer) {
    const before = edit.frame === null ? undefined : this.#bases.get(edit.frame) ?? this.options.known(edit.frame);
    if (answer.state) this.#bases.set(answer.state.frame, answer.state);
    const boxes = edit.temp !== undefined && answer.state ? numbered(edit, before, answer) : new Map();
    const idOf = (/** @type {any} */ id) => boxes.get(id)?.id ?? id;
    for (const other of this.waiting) {
      if (other.frame !== edit.frame || other.frame === null) continue;
      if (other.base_version !== null && answer.version !== undefined) other.base_version = Math.max(other.base_version, answer.version);
      other.id = idOf(other.id);
      other.ids = other.ids?.map(idOf);
      other.track = boxes.get(other.track)?.track ?? other.track;
    }
    if (boxes.size) this.options.onNumbered(boxes);
  }

  /**
   * Someone else changed the frame first. All edits of this frame that wait are set aside, with what they were made on.
   * @param {Edit} edit
   * @param {FrameState} theirs
   */
  async #conflict(edit, theirs) {
    if (edit.fixation !== undefined) {
      const unchanged = await this.options.unchanged(edit).catch(() => null);
      if (unchanged === null) return; // unreachable: this edit is sent, and refused, once more
      if (unchanged) { // only boxes of its frame have changed
        edit.base_version = theirs.version;
        return;
      }
    }
    if (isDone(theirs, edit)) { // saved already, only its answer was lost
      this.waiting.shift();
      this.#numbered(edit, { version: theirs.version, state: theirs });
      this.options.onSaved(edit, { frame: edit.frame, version: theirs.version, state: theirs }, performance.now() - (edit.t_key ?? 0));
      return;
    }
    this.#setAside(edit, theirs);
  }

  /** @param {Edit} edit @param {FrameState} theirs */
  #setAside(edit, theirs) {
    const edits = this.waiting.filter((other) => other.frame === edit.frame);
    this.waiting = this.waiting.filter((other) => other.frame !== edit.frame);
    const base = this.#bases.get(/** @type {number} */ (edit.frame)) ?? theirs;
    this.conflicts.push({ frame: theirs.frame, base: { ...base, predictions: undefined, gaze: undefined }, theirs, edits });
    this.options.onRefused(edit, "");
  }
}
