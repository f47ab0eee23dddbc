/** Starts the page: makes the parts, and joins them. */
/** @import { Edit, Id, LabelledBox } from "./types.js" */
import { Annotator } from "./annotator.js";
import { Unreachable } from "./api.js";
import { Boxes } from "./boxes.js";
import { showConflict, wireConflicts } from "./conflict.js";
import { askAuthor } from "./dialogs.js";
import { byId, toast } from "./dom.js";
import { describe } from "./edits.js";
import { Filmstrip } from "./filmstrip.js";
import { Navigation } from "./navigation.js";
import { author, tabId } from "./identity.js";
import { storeOrder, storePlace, storedOrder, storedPlace } from "./stored_place.js";
import { actions, wireButtons, wireKeys } from "./keyboard.js";
import { Keys } from "./keys.js";
import { Model } from "./model.js";
import { showBoxes, showLabels } from "./panels.js";
import { hideBroken, repairBroken, Pictures } from "./pictures.js";
import { Queue } from "./queue.js";
import { atStart } from "./view_state.js";
import { Stage } from "./stage.js";
import { showModel, showProgress, showSaved, startCurve } from "./status.js";
import { listen } from "./stream.js";
import { showSuggestion } from "./suggestion.js";
import { wireTheme } from "./theme.js";
import { clock } from "./time.js";
import { Timeline } from "./timeline.js";
import { Tracks } from "./tracks.js";

const RETRY_MS = 1000;
const REFRESH_MS = 400;

const model = new Model(await tabId(), author);
await opened();

const place = storedPlace(model.project);
const viewState = Object.assign(atStart(), place ?? { mode: model.fixations.id.length ? "fixation" : "box" });
const pictures = new Pictures(model.project.n_frames, model.project.size_px[0]);
const navigation = new Navigation(model, pictures, viewState, () => show());
const boxes = new Boxes(model, viewState, () => show());
const tracks = new Tracks(model, viewState, boxes, navigation);
const annotator = new Annotator(model, viewState, boxes, navigation);
const stage = new Stage(byId("stage"), model, viewState, boxes, {
  onDraw: (box) => boxes.draw(box),
  onChange: (id, box) => boxes.change(id, box),
  onSelect: (box) => {
    if (viewState.mode === "box") boxes.select(box);
    else if (box) annotator.labelFixation(box.label);
  },
  onDrawn: () => { viewState.drawing = false; show(); },
});
const gone = { onFrame: (/** @type {number} */ frame) => { navigation.go(frame); }, onFixation: (/** @type {number} */ id) => navigation.goFixation(id) };
const timeline = new Timeline(byId("timeline"), model, gone);
const filmstrip = new Filmstrip(byId("filmstrip"), model, gone);
const queue = new Queue(byId("queue"), byId("queue-rows"), model, (item) => navigation.goItem(item));
const keys = new Keys();
Object.assign(navigation, { stage, queue });
tracks.timeline = timeline;
const does = actions(annotator, tracks, timeline, keys);
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
  const { mode, frame, fixation } = viewState;
  storePlace(model.project, viewState);
  document.body.dataset.mode = mode;
  for (const [id, pressed] of Object.entries({
    "mode-fixation": mode === "fixation", "mode-box": mode === "box", "toggle-gaze": viewState.gaze, "toggle-heat": viewState.heat, "new-box": viewState.drawing, play: viewState.playing,
  })) byId(id).setAttribute("aria-pressed", pressed);
  const where = `frame ${frame} · ${model.project.n_frames} frames · ${clock(model.times[frame], true)}`;
  byId("frame-chip").textContent = where;
  byId("timeline").setAttribute("aria-valuenow", frame);
  byId("timeline").setAttribute("aria-valuetext", where);
  const k = fixation === null ? undefined : model.place.get(fixation);
  byId("fixation-chip").textContent = k === undefined ? "" : `fixation ${fixation} · ${Math.round(model.fixations.offset_ms[k] - model.fixations.onset_ms[k])} ms`;
  byId("waiting").hidden = stage.picture !== null;
  byId("waiting").textContent = `picture of frame ${frame}: ${navigation.refused || "waiting for the server"}`;
  showFrame();
  showProgress(model, annotator);
  timeline.show(frame, fixation);
  filmstrip.show(mode, frame, fixation);
}

/** What depends on the boxes of the frame shown. */
function showFrame() {
  const k = viewState.fixation === null ? undefined : model.place.get(viewState.fixation);
  const active = viewState.mode === "box" ? (boxes.selected ?? { label: boxes.next?.id }).label : k === undefined ? undefined : model.fixations.label[k];
  showLabels(model, active, { onPick: (label) => annotator.pick(label), onEdit: (label) => annotator.editLabel(label) });
  showBoxes(model, boxes, {
    onSelect: (box) => {
      if (viewState.mode !== "box") annotator.setMode("box");
      boxes.select(box);
    },
    onDelete: (box) => boxes.remove(box),
  });
  showSuggestion(model, viewState, boxes);
  byId("stage").setAttribute("aria-label", `Frame ${viewState.frame}, ${boxes.view?.boxes.length ?? 0} boxes`);
  stage.draw();
}

/** Soon, and once for many edits. */
function refreshTracks() {
  clearTimeout(refreshing);
  refreshing = window.setTimeout(() => timeline.refresh(), REFRESH_MS);
}

wireKeys(annotator, keys, does);
wireButtons({
  ...does,
  author: async () => {
    const name = await askAuthor(author());
    if (name) localStorage.setItem("gazekit.author", name);
    showAuthor();
  },
});
addEventListener("storage", showAuthor); // renamed in another tab
addEventListener("beforeunload", (event) => {
  if (model.outbox.waiting.length && !localStorage.getItem(model.outbox.storageKey)) event.preventDefault(); // nowhere kept
});
byId("queue-order").onchange = (/** @type {any} */ { target }) => {
  storeOrder(model.project, target.value);
  queue.choose(target.value);
  if (!target.matches(":focus-visible")) byId("stage").focus(); // chosen by a pointer: keys are for labels again
};
byId("new-label").onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const name = byId("new-label-name").value.trim();
  if (name) annotator.addLabel(name);
  byId("new-label-name").value = "";
  byId("stage").focus();
};

model.on("frame", (frame) => { if (frame === viewState.frame) showFrame(); });
model.on("fixations", () => { show(); queue.draw(); });
model.on("labels", () => { show(); queue.draw(); timeline.draw(); });
model.on("stats", () => showProgress(model, annotator));
model.on("outbox", () => showSaved(model));
model.on("model", (status) => {
  showModel(status);
  if (!annotator.updating || status.state === "training") return;
  annotator.updating = false;
  if (status.message) toast(status.message, { error: status.state === "failed" });
});
model.on("predictions", () => { queue.refresh(); timeline.refresh(); model.loadProject().catch(() => {}); });
model.on("back", () => { repairBroken(); queue.draw(); });
model.on("anew", () => { queue.refresh(); timeline.refresh(); });
model.on("propagation", ({ state, message }) => {
  if (state === "propagating") return;
  model.anew().catch(() => {});
  if (model.propagating && message) toast(message, { error: state === "failed" });
  model.propagating = false;
});
model.on("numbered", (/** @type {Map<Id, LabelledBox>} */ made) => {
  const { drag } = stage.pointer;
  viewState.selected = made.get(viewState.selected ?? "")?.id ?? viewState.selected;
  if (drag && "id" in drag) drag.id = made.get(drag.id)?.id ?? drag.id;
});
model.on("saved", ({ ms }) => {
  saveMs.push(ms);
  showFrame();
  refreshTracks();
});
model.on("nothing", (op) => toast(`Nothing to ${op}.`));
model.on("went", (answer) => {
  if (answer.fixation !== null && answer.fixation !== undefined && viewState.mode === "fixation") navigation.goFixation(answer.fixation);
  else if (typeof answer.frame === "number") navigation.go(answer.frame);
});
model.on("refused", (/** @type {{edit: Edit, reason: string}} */ { edit, reason }) => {
  if (reason) toast(`Not done, ${describe(edit, model.labels)}: ${reason}`, { error: true });
});

byId("project").textContent = model.project.name;
byId("project").title = `${model.project.name}: ${model.project.recording}`;
showAuthor();
document.title = `${model.project.name} · gazekit annotate`;
byId("timeline").setAttribute("aria-valuemax", model.project.n_frames - 1);
new ResizeObserver(() => {
  pictures.setWidth(byId("stage").clientWidth * devicePixelRatio);
  filmstrip.show(viewState.mode, viewState.frame, viewState.fixation);
}).observe(byId("stage"));
wireTheme(() => { stage.draw(); timeline.draw(); });
wireConflicts(model, navigation);
startCurve(model.stats.held_out ?? []);
showModel(model.project.model);
showSaved(model);
showConflict(model, navigation);
stage.fit();
if (model.project.problem) toast(model.project.problem, { error: true });
hideBroken();
byId("queue-order").value = storedOrder(model.project);
await queue.refresh({ order: storedOrder(model.project), kind: viewState.mode === "fixation" ? "fixation" : "frame" });
listen(model);
if (place) {
  queue.follow(queue.kind, viewState.mode === "fixation" ? viewState.fixation : viewState.frame);
  navigation.go(viewState.frame, viewState.fixation);
} else if (!queue.pick(0)) navigation.go(0);
/** For measuring, and for the curious. */
Object.assign(window, { gazekit: { model, viewState, navigation, boxes, tracks, annotator, stage, timeline, queue, saveMs, stepMs: navigation.stepMs } });
document.body.dataset.ready = "true";
