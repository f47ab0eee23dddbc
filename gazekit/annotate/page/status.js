/** The bar at the top: how far one is, what is saved, how the model does. */
/** @import { ModelStatus } from "./types.js" */
/** @import { Annotator } from "./annotator.js" */
/** @import { Model } from "./model.js" */
import { byId, toast } from "./dom.js";

const RATE_WINDOW_MS = 120000;
const ADVICE = 40;

/** @param {Model} model */
export function showSaved(model) {
  const { offline, shutOut, waiting, conflicts } = model.outbox;
  const saved = byId("saved");
  const state = offline !== null ? "offline" : waiting.length ? "saving" : conflicts.length ? "conflict" : "saved";
  saved.dataset.state = state;
  const why = shutOut ? offline ?? "" : "";
  if (why && why !== saved.dataset.why) toast(`Not saved yet: ${offline}. ${waiting.length === 1 ? "One edit is" : `${waiting.length} edits are`} kept in this browser.`, { error: true });
  saved.dataset.why = why;
  saved.textContent = { offline: `${shutOut ? "not let in" : "offline"} · ${waiting.length} waiting`, saving: "saving…", conflict: "conflict", saved: "saved" }[state];
  saved.title = offline !== null ? `${shutOut ? "The server refuses this page" : "The server does not answer"} (${offline}). Edits are kept in this browser and sent when it is back.` : "Every edit is saved at once.";
}

/** @param {Model} model @param {Annotator} annotator */
export function showProgress(model, annotator) {
  const { label, source } = model.fixations;
  const done = label.filter((value, k) => value !== null && ["manual", "confirmed", "imported"].includes(source[k] ?? "")).length;
  const total = label.length;
  byId("progress-fill").style.width = `${total ? (100 * done) / total : 0}%`;
  const now = performance.now();
  const recent = annotator.labelled.filter(({ at }) => now - at < RATE_WINDOW_MS);
  const minutes = recent.length > 1 ? Math.max(0.25, (now - recent[0].at) / 60000) : 1;
  const rate = recent.length > 1 ? ` · ${(recent.length / minutes).toFixed(0)} labels/min` : "";
  byId("progress-text").textContent = `${done} of ${total} fixations${rate}`;
  const last = annotator.labelled.slice(-ADVICE);
  const right = last.filter(({ accepted }) => accepted).length;
  byId("queue-note").textContent = last.length < 5 ? "" : `${right} of the last ${last.length} suggestions were right`
    + (last.length === ADVICE && right >= 0.95 * ADVICE ? ": the rest may need only a look." : ".");
}

/** @type {number[]} */
const curve = [];

/** What the model reached before this page was opened. @param {[number, number][]} heldOut frames confirmed, AP */
export function startCurve(heldOut) {
  curve.push(...heldOut.map(([, accuracy]) => accuracy));
}

/** @param {ModelStatus | undefined} status */
export function showModel(status) {
  if (!status) return;
  const box = byId("model");
  box.dataset.state = status.state;
  box.dataset.version = String(status.version ?? 0);
  const accuracy = typeof status.accuracy === "number" ? ` · ${Math.round(100 * status.accuracy)} AP` : "";
  const text = status.state === "training" ? `learning ${Math.round(100 * (status.progress ?? 0))} %`
    : status.state === "failed" ? "learning failed" : status.version ? `model ${status.version}${accuracy}` : "model: nothing learned yet";
  byId("model-text").textContent = text;
  box.title = status.message || (accuracy ? "Average precision (of 100) on confirmed frames that the model never learns from." : "The model learns from what you confirm.");
  byId("model-update").textContent = status.state === "training" ? "Stop" : "Update";
  if (status.state === "idle" && typeof status.accuracy === "number" && curve.at(-1) !== status.accuracy) curve.push(status.accuracy);
  showCurve(curve.slice(-12));
}

/** @param {number[]} values */
function showCurve(values) {
  const svg = byId("model-curve");
  svg.toggleAttribute("hidden", values.length < 2);
  const points = values.map((value, k) => `${2 + (52 * k) / Math.max(1, values.length - 1)},${16 - 14 * value}`).join(" ");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points);
  svg.replaceChildren(line);
}
