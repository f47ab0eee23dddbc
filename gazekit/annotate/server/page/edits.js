/**
 * Edits as pure functions. What the user sees is the server's state with every edit that still waits laid over it, so
 * an edit shows at once, and nothing has to be taken back when the server answers.
 */
/** @import { Conflict, Edit, FrameState, Id, Label, LabelledBox, Prediction } from "./types.js" */

/**
 * @param {FrameState} state
 * @param {Edit} edit
 * @returns {FrameState} the state after the edit; the argument is left as it was
 */
export function apply(state, edit) {
  const boxes = changed(state.boxes, edit);
  if (deletes(edit.op) && !boxes.length) return { ...state, boxes, predictions: [] };
  if (edit.op === "frame.confirm") return { ...state, boxes, confirmed: true };
  return { ...state, boxes };
}

/** Whether it deletes boxes: if none is left in a frame, no predictions come in their place. @param {string} op */
export const deletes = (op) => op === "box.delete" || op === "track.delete";

/** The page's own ids of boxes that an edit makes. @param {Edit} edit @returns {Id[]} */
const temps = (edit) => (edit.op === "boxes.put" ? (edit.boxes ?? []).map((_, k) => `${edit.temp}-${k}`) : edit.temp === undefined ? [] : [edit.temp]);

/**
 * The boxes that an edit has made, as the server numbered them, by the page's own ids.
 * @param {Edit} edit
 * @param {FrameState | undefined} before
 * @param {{state: FrameState, box?: Id}} answer
 * @returns {Map<Id, LabelledBox>}
 */
export function numbered(edit, before, { state, box: id }) {
  const old = new Set(before?.boxes.map((box) => box.id));
  const fresh = state.boxes.filter((box) => (id === undefined ? !old.has(box.id) : box.id === id));
  const pairs = temps(edit).map((temp, k) => {
    const { label, box } = edit.boxes?.[k] ?? fresh[0] ?? {};
    return /** @type {[Id, LabelledBox | undefined]} */ ([temp, fresh.find((other) => other.label === label && same(other.box, box))]);
  });
  return new Map(/** @type {[Id, LabelledBox][]} */ (pairs.filter(([, box]) => box)));
}

/** @param {LabelledBox[]} boxes @param {Edit} edit @returns {LabelledBox[]} */
function changed(boxes, edit) {
  switch (edit.op) {
    case "box.add":
      return [...boxes, {
        id: edit.temp ?? edit.nonce, track: typeof edit.track === "number" ? edit.track : edit.temp ?? edit.nonce, label: edit.label ?? 0,
        box: edit.box ?? [0, 0, 1, 1], source: "manual", score: null, keyframe: true,
      }];
    case "boxes.put":
      return [...boxes, ...temps(edit).map((id, k) => {
        const { label, box, score } = /** @type {Prediction[]} */ (edit.boxes)[k];
        return { id, track: id, label, box, source: /** @type {const} */ ("predicted"), score, keyframe: false };
      })];
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
    case "boxes.put":
    case "frame.confirm":
      return (state.confirmed || edit.op === "boxes.put") && (edit.boxes ?? []).every(({ label, box }) => state.boxes.some((other) => other.label === label && same(other.box, box)));
    default:
      return false;
  }
}

/** @param {number[]} a @param {number[] | undefined} b */
const same = (a, b) => b !== undefined && a.every((value, k) => Math.abs(value - b[k]) < 1e-3);

/**
 * A conflict's edits, made anew for the state that is saved now: a changed box that is gone there is drawn again,
 * deleting one that is gone needs nothing. Predictions do not come beside boxes that are there by now.
 * @param {Conflict} conflict
 * @returns {Edit[]}
 */
export function rebased(conflict) {
  const theirs = new Set(conflict.theirs.boxes.map((box) => box.id));
  const needless = (/** @type {Edit} */ edit) => edit.op === "boxes.put" && theirs.size > 0;
  const own = new Set(conflict.edits.flatMap((edit) => (needless(edit) ? [] : temps(edit))));
  /** @type {Edit[]} */
  const edits = [];
  let state = conflict.base;
  for (const edit of conflict.edits) {
    state = apply(state, edit);
    if (needless(edit)) continue;
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
    "boxes.put": "predicted boxes changed",
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
