/** Starts the page: makes the parts, and joins keys and buttons to what they do. */
/** @import { Edit } from "./types.js" */
import { Annotator } from "./annotator.js";
import { get, post, Unreachable } from "./api.js";
import { showConflict, wireConflicts } from "./conflict.js";
import { askAuthor, showExport, showImport } from "./dialogs.js";
import { byId, coloured, element, toast } from "./dom.js";
import { colourOf } from "./draw.js";
import { describe, nonce } from "./edits.js";
import { Filmstrip } from "./filmstrip.js";
import { Keys, nameOf } from "./keys.js";
import { Model } from "./model.js";
import { showBoxes, showLabels } from "./panels.js";
import { Pictures } from "./pictures.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";
import { showModel, showProgress, showSaved, startCurve } from "./status.js";
import { listen } from "./stream.js";
import { wireTheme } from "./theme.js";
import { clock, Timeline } from "./timeline.js";

const RETRY_MS = 1000;

/** One id for each tab, kept over a reload; a duplicated tab has the same, so the page that holds it keeps it. */
async function tabId() {
  let tab = sessionStorage.getItem("gazekit.tab") ?? Math.random().toString(36).slice(2, 10);
  const held = await navigator.locks?.query();
  if (held?.held?.some((lock) => lock.name?.endsWith(`|${tab}`))) tab = Math.random().toString(36).slice(2, 10);
  sessionStorage.setItem("gazekit.tab", tab);
  return tab;
}

/** Undo takes back what was done under one name, so no two browsers start with the same one. */
function author() {
  const known = localStorage.getItem("gazekit.author");
  if (known) return known;
  const name = `annotator-${nonce().slice(0, 4)}`;
  localStorage.setItem("gazekit.author", name);
  return name;
}

const model = new Model(await tabId(), author);
await opened();

const pictures = new Pictures(model.project.n_frames, model.project.size_px[0]);
const annotator = new Annotator(model, pictures, () => show());
const shown = annotator.shown;
const stage = new Stage(byId("stage"), model, shown, {
  onDraw: (box) => annotator.draw(box),
  onChange: (id, box) => annotator.change(id, box),
  onSelect: (box) => annotator.select(box),
  onDrawn: () => { shown.drawing = false; show(); },
});
const going = { onFrame: (/** @type {number} */ frame) => { annotator.go(frame); }, onFixation: (/** @type {number} */ id) => annotator.goFixation(id) };
const timeline = new Timeline(byId("timeline"), model, going);
const filmstrip = new Filmstrip(byId("filmstrip"), model, going);
const queue = new Queue(byId("queue"), byId("queue-rows"), model, (item) => annotator.goItem(item));
const keys = new Keys();
Object.assign(annotator, { stage, timeline, queue });
const saveMs = /** @type {number[]} */ ([]);
let refreshing = 0;

async function opened() {
  for (;;) {
    try {
      return await model.open();
    } catch (error) {
      if (!(error instanceof Unreachable)) {
        toast(`The project could not be opened: ${/** @type {Error} */ (error).message}`, { error: true });
        throw error;
      }
      byId("saved").textContent = "waiting for the server…";
      byId("saved").dataset.state = "offline";
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function showAuthor() { byId("author").textContent = author(); }

/** Everything that depends on where one is. */
function show() {
  const { mode, frame, fixation, label } = shown;
  document.body.dataset.mode = mode;
  byId("mode-fixation").setAttribute("aria-checked", mode === "fixation");
  byId("mode-box").setAttribute("aria-checked", mode === "box");
  byId("toggle-gaze").setAttribute("aria-pressed", shown.gaze);
  byId("toggle-heat").setAttribute("aria-pressed", shown.heat);
  byId("new-box").setAttribute("aria-pressed", shown.drawing);
  byId("play").setAttribute("aria-pressed", shown.playing);
  byId("frame-chip").textContent = `frame ${frame} of ${model.project.n_frames - 1} · ${clock(model.times[frame] - (model.times[0] ?? 0), true)}`;
  const k = fixation === null ? undefined : model.place.get(fixation);
  const has = k === undefined ? null : model.fixations.label[k];
  byId("fixation-chip").textContent = k === undefined ? "" : `fixation ${fixation} · ${Math.round(model.fixations.offset_ms[k] - model.fixations.onset_ms[k])} ms`;
  showLabels(model, mode === "fixation" ? has ?? null : label, { onPick: (picked) => annotator.pick(picked), onEdit: (edited) => annotator.editLabel(edited) });
  showFrame();
  timeline.show(frame, fixation);
  filmstrip.show(mode, frame, fixation);
}

/** What depends on the boxes of the frame shown. */
function showFrame() {
  showBoxes(model, shown.frame, shown.selected, { onSelect: (box) => { annotator.shown.mode = "box"; annotator.select(box); }, onDelete: (box) => annotator.remove(box) });
  showSuggestion();
  const boxes = model.view(shown.frame)?.boxes.length ?? 0;
  byId("stage").setAttribute("aria-label", `Frame ${shown.frame}, ${boxes} boxes`);
  stage.draw();
}

/** What is known or guessed here, and the key that takes it. */
function showSuggestion() {
  const box = byId("suggestion");
  const { what, hint, label } = suggestion();
  if (box.textContent === what + hint && box.dataset.label === String(label?.id)) return;
  box.dataset.label = String(label?.id);
  coloured(box, label ? colourOf(label) : "transparent");
  box.replaceChildren(...(label ? [element("i", { class: "swatch" })] : []), what, element("span", {}, hint));
  if (!what) box.replaceChildren();
  byId("announce").textContent = `Frame ${shown.frame}. ${what} ${hint}`;
}

/** @returns {{what: string, hint: string, label?: import("./types.js").Label}} */
function suggestion() {
  const { label, suggestion: guess, confidence, source } = model.fixations;
  const k = shown.fixation === null ? undefined : model.place.get(shown.fixation);
  if (shown.mode === "box") {
    const state = model.view(shown.frame);
    const guesses = state && !state.confirmed && !state.boxes.length ? state.predictions?.length ?? 0 : 0;
    return guesses ? { what: `${guesses} predicted box${guesses > 1 ? "es" : ""}`, hint: `Enter takes ${guesses > 1 ? "them" : "it"}` } : { what: "", hint: "" };
  }
  if (k === undefined) return { what: "", hint: "" };
  const known = model.label(label[k] ?? guess[k]);
  if (label[k] !== null) return { what: known?.name ?? "?", hint: source[k] === "confirmed" ? "confirmed" : "labelled", label: known };
  if (!known) return { what: "Looked at what?", hint: "press a label’s key" };
  return { what: `${known.name}?`, hint: `${confidence[k] === null ? "" : `${Math.round(100 * Number(confidence[k]))} % · `}Enter, or another key`, label: known };
}

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const actions = {
  background: () => annotator.pickKey("0"), cannot: () => annotator.pickKey("x"), confirm: () => annotator.confirm(),
  uncertain: () => annotator.uncertain(), mode: () => annotator.setMode(),
  "next-frame": () => annotator.step(1), "previous-frame": () => annotator.step(-1), "second-on": () => annotator.skip(1), "second-back": () => annotator.skip(-1),
  "next-fixation": () => annotator.nextFixation(1), "previous-fixation": () => annotator.nextFixation(-1),
  "next-open": () => annotator.nextFixation(1, true), "previous-open": () => annotator.nextFixation(-1, true),
  middle: () => annotator.middle(), play: () => annotator.play(),
  "new-box": () => { if (shown.mode !== "box") annotator.setMode("box"); shown.drawing = !shown.drawing; byId("stage").focus(); show(); stage.draw(); },
  "box-at-gaze": () => annotator.drawAtGaze(), "next-box": () => annotator.selectNext(1), "previous-box": () => annotator.selectNext(-1),
  delete: () => annotator.remove(), "delete-track": () => annotator.removeTrack(), "copy-next": () => annotator.copyNext(),
  keyframe: () => annotator.keyframe(), interpolate: () => annotator.interpolate(), propagate: () => annotator.propagate(1), "propagate-back": () => annotator.propagate(-1),
  hide: () => { shown.hidden = true; stage.draw(); }, gaze: () => { shown.gaze = !shown.gaze; show(); }, heat: () => { shown.heat = !shown.heat; show(); },
  "zoom-in": () => stage.zoom(1.4), "zoom-out": () => stage.zoom(1 / 1.4), fit: () => stage.fit(),
  "timeline-in": () => timeline.zoom(0.6), "timeline-out": () => timeline.zoom(1 / 0.6),
  undo: () => annotator.undo(), redo: () => annotator.redo(), update: () => annotator.update(), escape: () => annotator.escape(),
  export: () => showExport(model), help: () => keys.show(),
};

addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (document.querySelector("dialog[open]") || target.matches("input, select, textarea")) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const onButton = target.matches("button, a") && ["Enter", " "].includes(event.key);
  if (onButton) return; // the button's own
  if (arrow && event.altKey) {
    const px = event.ctrlKey ? 10 : 1;
    event.preventDefault();
    return annotator.nudge(arrow[0] * px, arrow[1] * px, event.shiftKey);
  }
  if (/^[1-9]$/.test(nameOf(event))) return annotator.pickKey(event.key);
  const id = keys.find(event);
  if (!id || !actions[id]) return;
  event.preventDefault();
  if (!event.repeat || /frame|second|fixation|nudge/.test(id)) actions[id](event);
});
addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "h" && shown.hidden) { shown.hidden = false; stage.draw(); }
});
addEventListener("storage", showAuthor); // renamed in another tab
addEventListener("beforeunload", (event) => {
  if (model.outbox.waiting.length && !localStorage.getItem(model.outbox.storageKey)) event.preventDefault(); // nowhere kept
});

for (const [id, action] of Object.entries({
  "mode-fixation": () => annotator.setMode("fixation"), "mode-box": () => annotator.setMode("box"), confirm: () => annotator.confirm(),
  undo: () => annotator.undo(), redo: () => annotator.redo(), import: () => showImport(model), export: () => showExport(model), "help-open": () => keys.show(),
  play: () => annotator.play(), "toggle-gaze": actions.gaze, "toggle-heat": actions.heat, "zoom-in": actions["zoom-in"], "zoom-out": actions["zoom-out"], "zoom-fit": actions.fit, "new-box": actions["new-box"],
  "model-update": () => (byId("model").dataset.state === "training" ? post("/api/model/cancel", {}) : annotator.update()),
  author: async () => {
    const name = await askAuthor(author());
    if (name) localStorage.setItem("gazekit.author", name);
    showAuthor();
  },
})) byId(id).onclick = action;
byId("queue-order").onchange = (/** @type {any} */ event) => queue.refresh({ order: event.target.value });
byId("new-label").onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const name = byId("new-label-name").value.trim();
  if (name) annotator.addLabel(name);
  byId("new-label-name").value = "";
};

model.on("frame", (frame) => { if (frame === shown.frame) showFrame(); });
model.on("fixations", () => { show(); queue.draw(); showProgress(model, annotator); });
model.on("labels", () => { show(); queue.draw(); timeline.draw(); });
model.on("outbox", () => showSaved(model));
model.on("model", (status) => showModel(status));
model.on("predictions", () => { queue.refresh(); timeline.refresh(); model.loadProject().catch(() => {}); });
model.on("imported", () => model.anew(shown.frame).catch(() => {}));
model.on("anew", () => {
  queue.refresh();
  timeline.refresh();
});
model.on("propagation", ({ state, message }) => {
  if (state === "propagating") return;
  model.anew(shown.frame).catch(() => {});
  if (model.propagating && message) toast(message, { error: state === "failed" });
  model.propagating = false;
});
model.on("saved", ({ edit, answer, ms }) => {
  saveMs.push(ms);
  if (edit.temp !== undefined && shown.selected === edit.temp) shown.selected = answer.box ?? model.view(shown.frame)?.boxes.at(-1)?.id ?? null;
  showFrame();
  clearTimeout(refreshing);
  refreshing = window.setTimeout(() => timeline.refresh(), 400);
});
model.on("went", (answer) => {
  if (answer.nothing) return toast("Nothing to undo or redo.");
  timeline.refresh();
  queue.draw();
  if (answer.fixation !== null && answer.fixation !== undefined && shown.mode === "fixation") annotator.goFixation(answer.fixation);
  else if (typeof answer.frame === "number") annotator.go(answer.frame);
});
model.on("refused", (/** @type {{edit: Edit, reason: string}} */ { edit, reason }) => {
  if (reason) toast(`Not done, ${describe(edit, model.labels)}: ${reason}`, { error: true });
});

byId("project").textContent = model.project.name;
byId("project").title = model.project.recording;
showAuthor();
document.title = `${model.project.name} · gazekit annotate`;
byId("timeline").setAttribute("aria-valuemax", model.project.n_frames - 1);
new ResizeObserver(() => {
  pictures.setWidth(byId("stage").clientWidth * devicePixelRatio);
  filmstrip.show(shown.mode, shown.frame, shown.fixation);
}).observe(byId("stage"));
wireTheme(() => { stage.draw(); timeline.draw(); });
wireConflicts(model, annotator);
startCurve((await get("/api/stats").catch(() => ({}))).held_out ?? []);
showModel(model.project.model);
showSaved(model);
showProgress(model, annotator);
showConflict(model, annotator);
stage.fit();
if (model.project.problem) toast(model.project.problem, { error: true });
await queue.refresh();
listen(model, () => shown.frame);
if (!queue.pick(0)) annotator.go(0);
/** For measuring, and for the curious. */
Object.assign(window, { gazekit: { model, annotator, stage, timeline, queue, saveMs, stepMs: annotator.stepMs } });
document.body.dataset.ready = "true";
