/** The bar at the top: how far one is, what is saved, how the model does. */
/** @import { ModelStatus } from "./types.js" */
/** @import { Annotator } from "./annotator.js" */
/** @import { Model } from "./model.js" */
import { byId, toast } from "./dom.js";
import { left } from "./time.js";

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
  saved.textContent = { offline: `${shutOut ? "no access" : "offline"} · ${waiting.length} waiting`, saving: "saving…", conflict: "conflict", saved: "saved" }[state];
  saved.title = offline !== null ? `${shutOut ? "The server refuses this page" : "The server does not answer"} (${offline}). Edits are kept in this browser and sent when it is back.` : "Every edit is saved at once.";
}

/** @param {Model} model @param {Annotator} annotator */
export function showProgress(model, annotator) {
  const { done, total, text } = annotator.viewState.mode === "box" ? frames(model) : fixations(model, annotator.labelled);
  byId("progress-fill").style.width = `${total ? Math.min(100, (100 * done) / total) : 0}%`;
  byId("progress-text").textContent = text;
  byId("queue-note").textContent = advice(annotator.labelled);
}

/** @param {Model} model @param {{at: number}[]} labelled */
function fixations({ fixations: { label, source } }, labelled) {
  const done = label.filter((value, k) => value !== null && ["manual", "confirmed", "imported"].includes(source[k] ?? "")).length;
  return { done, total: label.length, text: label.length ? `${done} of ${label.length} fixations${rate(labelled)}` : "no fixations" };
}

/** @param {Model} model */
function frames({ stats }) {
  const done = stats.confirmed_frames ?? 0;
  const total = stats.confirmed_of ?? 0;
  return { done, total, text: total ? `${done} of ${total} frames confirmed` : `${done} frames confirmed` };
}

/** @param {{at: number}[]} labelled @returns {string} */
function rate(labelled) {
  const now = performance.now();
  const recent = labelled.filter(({ at }) => now - at < RATE_WINDOW_MS);
  if (recent.length < 2) return "";
  const minutes = Math.max(0.25, (now - recent[0].at) / 60000);
  return ` · ${(recent.length / minutes).toFixed(0)} labels/min`;
}

/** Whether it is time to stop. @param {{accepted: boolean | null}[]} labelled @returns {string} */
function advice(labelled) {
  const suggested = labelled.filter(({ accepted }) => accepted !== null).slice(-ADVICE);
  if (suggested.length < 5) return "";
  const right = suggested.filter(({ accepted }) => accepted).length;
  const rest = suggested.length === ADVICE && right >= 0.95 * ADVICE ? ": the rest may need only a quick check." : ".";
  return `${right} of the model’s last ${suggested.length} suggestions were right${rest}`;
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
  const training = status.state === "training";
  const text = training ? `learning ${Math.round(100 * (status.progress ?? 0))} %`
    : status.state === "failed" ? "learning failed" : status.version ? `model ${status.version}${accuracy}` : "not trained yet";
  byId("model-text").textContent = text;
  box.title = status.message || (accuracy ? "Average precision (0 to 100) on confirmed frames that are held out from training." : "The model learns from what you confirm.");
  byId("model-update").hidden = training;
  byId("training").hidden = !training;
  byId("training-what").textContent = status.message || "Learning from the confirmed frames";
  byId("training-bar").value = status.progress ?? 0;
  byId("training-left").textContent = left(status.eta_s);
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
