/** A frame that two changed at once: both versions side by side, and what to do. Nothing is dropped before the user says so. */
/** @import { FrameState } from "./types.js" */
/** @import { Navigation } from "./navigation.js" */
/** @import { Model } from "./model.js" */
import { byId } from "./dom.js";
import { apply, describe } from "./edits.js";
import { drawBox } from "./draw.js";

/** @param {Model} model @param {Navigation} navigation */
export function wireConflicts(model, navigation) {
  const first = () => model.outbox.conflicts[0];
  byId("conflict-apply").onclick = () => model.outbox.settle(first(), true);
  byId("conflict-drop").onclick = () => model.outbox.settle(first(), false);
  model.on("outbox", () => showConflict(model, navigation));
}

/** @param {Model} model @param {Navigation} navigation */
export async function showConflict(model, navigation) {
  const banner = byId("conflict");
  const conflict = model.outbox.conflicts[0];
  const wasHidden = banner.hidden;
  banner.hidden = !conflict;
  if (!conflict) return;
  const had = new Set(conflict.base.boxes.map((box) => JSON.stringify([box.id, box.label, box.box])));
  const who = conflict.theirs.boxes.find((box) => !had.has(JSON.stringify([box.id, box.label, box.box])))?.author;
  byId("conflict-title").textContent = `Frame ${conflict.frame} was changed by ${who ?? "someone else"} at the same time`;
  byId("conflict-what").textContent = `Not saved yet: ${counted(conflict.edits.map((edit) => describe(edit, model.labels)))}.`;
  if (!wasHidden) return;
  navigation.go(conflict.frame);
  const picture = await navigation.pictures.get(conflict.frame).catch(() => null);
  preview(model, byId("conflict-mine"), conflict.edits.reduce(apply, conflict.base), picture);
  preview(model, byId("conflict-theirs"), conflict.theirs, picture);
}

/** @param {string[]} texts */
const counted = (texts) => [...new Set(texts)].map((text) => {
  const times = texts.filter((other) => other === text).length;
  return times > 1 ? `${text} (${times} times)` : text;
}).join(", ");

/** @param {Model} model @param {HTMLCanvasElement} canvas @param {FrameState} state @param {HTMLImageElement | null} picture */
function preview(model, canvas, state, picture) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const [w, h] = model.project.size_px;
  canvas.height = Math.round((canvas.width * h) / w);
  const scale = canvas.width / w;
  context.scale(scale, scale);
  if (picture) context.drawImage(picture, 0, 0, w, h);
  for (const box of state.boxes) drawBox(context, box, model.label(box.label), { scale, named: false });
}
