/**
 * Edits as pure functions. What the user sees is the server's state with every edit that still waits laid over it, so
 * an edit shows at once, and nothing has to be taken back when the server answers.
 */
/** @import { Edit, FrameState, Label, LabelledBox, Conflict } from "./types.js" */

/**
 * @param {FrameState} state
 * @param {Edit} edit
 * @returns {FrameState} the state after the edit; the argument is left as it was
 */
export function apply(state, edit) {
  const boxes = changed(state.boxes, edit);
  if (edit.op === "frame.confirm") return { ...state, boxes, confirmed: true };
  return { ...state, boxes };
}

/** @param {LabelledBox[]} boxes @param {Edit} edit @returns {LabelledBox[]} */
function changed(boxes, edit) {
  switch (edit.op) {
    case "box.add":
      return [...boxes, {
        id: edit.temp ?? edit.nonce, track: typeof edit.track === "number" ? edit.track : edit.temp ?? edit.nonce, label: edit.label ?? 0,
        box: edit.box ?? [0, 0, 1, 1], source: "manual", score: null, keyframe: true,
      }];
    case "box.update":
      return boxes.map((box) => (box.id === edit.id ? {
        ...box, label: edit.label ?? box.label, box: edit.box ?? box.box, keyframe: edit.keyframe ?? true, source: "manual",
      } : box));
    case "box.delete":
      return boxes.filter((box) => box.id !== edit.id);
    case "track.delete":
      return boxes.filter((box) => box.track !== edit.track);
    case "frame.confirm":
      return boxes.map((box) => (isGuess(box) ? { ...box, source: /** @type {const} */ ("confirmed") } : box)).concat((edit.boxes ?? []).map(({ label, box, score }, k) => (
        { id: `${edit.nonce}-${k}`, track: `${edit.nonce}-${k}`, label, box, source: "confirmed", score: score ?? null, keyframe: true }
      )));
    default:
      return boxes;
  }
}

/** A box that no human has looked at. @param {{source: string}} box */
export const isGuess = (box) => box.source === "propagated" || box.source === "predicted";

/** A box between two that were drawn, made from these. @param {{source: string, keyframe?: boolean}} box */
export const isInterpolated = (box) => box.keyframe === false && !isGuess(box);

/**
 * Whether the server's state already holds what the edit asks for: its answer was lost, or someone did the same.
 * @param {FrameState} state
 * @param {Edit} edit
 */
export function isDone(state, edit) {
  switch (edit.op) {
    case "box.add":
      return state.boxes.some((box) => box.label === edit.label && same(box.box, edit.box) && box.source === "manual");
    case "box.update":
      return state.boxes.some((box) => box.id === edit.id && (edit.label === undefined || box.label === edit.label)
        && (edit.box === undefined || same(box.box, edit.box)) && (edit.keyframe === undefined || box.keyframe === edit.keyframe));
    case "box.delete":
      return !state.boxes.some((box) => box.id === edit.id);
    case "track.delete":
      return !state.boxes.some((box) => box.track === edit.track);
    case "frame.confirm":
      return state.confirmed && (edit.boxes ?? []).every(({ label, box }) => state.boxes.some((other) => other.label === label && same(other.box, box)));
    default:
      return false;
  }
}

/** @param {number[]} a @param {number[] | undefined} b */
const same = (a, b) => b !== undefined && a.every((value, k) => Math.abs(value - b[k]) < 1e-3);

/**
 * A conflict's edits, made anew for the state that is saved now: a changed box that is gone there is drawn again,
 * deleting one that is gone needs nothing.
 * @param {Conflict} conflict
 * @returns {Edit[]}
 */
export function rebased(conflict) {
  const theirs = new Set(conflict.theirs.boxes.map((box) => box.id));
  const own = new Set(conflict.edits.map((edit) => edit.temp));
  /** @type {Edit[]} */
  const edits = [];
  let state = conflict.base;
  for (const edit of conflict.edits) {
    state = apply(state, edit);
    const gone = edit.id !== undefined && !theirs.has(edit.id) && !own.has(edit.id);
    const again = { ...edit, base_version: conflict.theirs.version, nonce: nonce() };
    if (!gone) edits.push(again);
    else if (edit.op === "box.update") {
      const box = state.boxes.find((candidate) => candidate.id === edit.id);
      if (box) edits.push({ ...again, op: "box.add", id: undefined, temp: `new-${again.nonce}`, label: box.label, box: box.box });
    }
  }
  return edits;
}

/** @param {Edit} edit @param {Label[]} labels @returns {string} for people */
export function describe(edit, labels) {
  const name = labels.find((label) => label.id === edit.label)?.name ?? "";
  /** @type {Record<string, string>} */
  const texts = {
    "box.add": `a new box${name && ` “${name}”`}`,
    "box.update": edit.box ? "a box moved or resized" : edit.label !== undefined ? `a box relabelled “${name}”` : "a keyframe set",
    "box.delete": "a box deleted",
    "boxes.copy_next": "boxes copied to the next frame",
    "track.delete": "a track deleted",
    "track.interpolate": "a track interpolated",
    "frame.confirm": `frame ${edit.frame} confirmed`,
    "fixation.label": `fixation ${edit.fixation} mapped to “${name}”`,
    "fixation.confirm": `fixation ${edit.fixation} confirmed`,
    "label.add": `label “${edit.name}” added`,
    "label.update": `label “${name}” changed`,
    "label.merge": `label “${name}” merged`,
  };
  return texts[edit.op] ?? edit.op;
}

/** A string that no other edit of any tab has. */
export function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
