/** Joins keys and buttons to what they do. */
/** @import { Annotator } from "./annotator.js" */
/** @import { Keys } from "./keys.js" */
/** @import { Timeline } from "./timeline.js" */
/** @import { Tracks } from "./tracks.js" */
import { byId } from "./dom.js";
import { showExport, showImport } from "./exchange.js";
import { nameOf } from "./keys.js";

const ZOOM = 1.4;
const TIMELINE_ZOOM = 0.6;
const FAST_PX = 10;
/** Actions that repeat while their key is held. */
const REPEATED = /frame|second|fixation/;

/**
 * @param {Annotator} annotator
 * @param {Tracks} tracks
 * @param {Timeline} timeline
 * @param {Keys} keys
 * @returns {Record<string, () => void>} by the ids of keys.js and of buttons
 */
export function actions(annotator, tracks, timeline, keys) {
  const { model, viewState, boxes, navigation } = annotator;
  const { stage } = navigation;
  const inBoxes = (/** @type {() => void} */ act) => () => {
    if (viewState.mode !== "box") annotator.setMode("box");
    act();
  };
  const toggle = (/** @type {"gaze" | "heat"} */ what) => () => {
    viewState[what] = !viewState[what];
    navigation.onShow();
  };
  return {
    background: () => annotator.pickKey("0"), cannot: () => annotator.pickKey("x"), confirm: () => annotator.confirm(),
    uncertain: () => navigation.uncertain(), mode: () => annotator.setMode(), "mode-fixation": () => annotator.setMode("fixation"), "mode-box": () => annotator.setMode("box"),
    "add-label": () => byId("new-label-name").focus(),
    "next-frame": () => navigation.step(1), "previous-frame": () => navigation.step(-1), "second-on": () => navigation.skip(1), "second-back": () => navigation.skip(-1),
    "next-fixation": () => navigation.nextFixation(1), "previous-fixation": () => navigation.nextFixation(-1),
    "next-open": () => navigation.nextFixation(1, true), "previous-open": () => navigation.nextFixation(-1, true),
    middle: () => tracks.middle(), play: () => navigation.play(),
    "new-box": inBoxes(() => boxes.startDrawing()), "box-at-gaze": inBoxes(() => boxes.drawAtGaze()),
    "next-box": inBoxes(() => boxes.selectNext(1)), "previous-box": inBoxes(() => boxes.selectNext(-1)),
    delete: () => boxes.remove(), "delete-track": () => tracks.remove(), "copy-next": () => tracks.copyNext(),
    keyframe: () => tracks.keyframe(), interpolate: () => tracks.interpolate(), propagate: () => tracks.propagate(1), "propagate-back": () => tracks.propagate(-1),
    hide: () => { viewState.hidden = true; stage.draw(); }, gaze: toggle("gaze"), heat: toggle("heat"),
    "zoom-in": () => stage.zoom(ZOOM), "zoom-out": () => stage.zoom(1 / ZOOM), fit: () => stage.fit(),
    "timeline-in": () => timeline.zoom(TIMELINE_ZOOM), "timeline-out": () => timeline.zoom(1 / TIMELINE_ZOOM),
    undo: () => annotator.step("undo"), redo: () => annotator.step("redo"), update: () => annotator.update(), escape: () => annotator.escape(), stop: () => annotator.stop(),
    import: () => showImport(model), export: () => showExport(model), help: () => keys.show(),
  };
}

/** @param {Annotator} annotator @param {Keys} keys @param {Record<string, () => void>} does */
export function wireKeys(annotator, keys, does) {
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (document.querySelector("dialog[open]")) return;
    if (target.matches("input, select")) {
      if (event.key === "Escape") byId("stage").focus();
      return;
    }
    if (target.matches("button") && ["Enter", " "].includes(event.key)) return; // the button's own
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow && event.altKey) {
      const px = event.ctrlKey ? FAST_PX : 1;
      event.preventDefault();
      return annotator.boxes.nudge(arrow[0] * px, arrow[1] * px, event.shiftKey);
    }
    if (/^[1-9]$/.test(nameOf(event))) return annotator.pickKey(event.key);
    const id = keys.find(event);
    if (!id) return;
    event.preventDefault();
    if (!event.repeat || REPEATED.test(id)) does[id]();
  });
  addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() !== "h" || !annotator.viewState.hidden) return;
    annotator.viewState.hidden = false;
    annotator.navigation.stage.draw();
  });
}

/** Buttons do as the keys; a click leaves the keys with the stage, so that Enter is not the button's. @param {Record<string, () => void>} does */
export function wireButtons(does) {
  for (const button of document.querySelectorAll("button[data-does]")) {
    const { does: id } = /** @type {HTMLElement} */ (button).dataset;
    button.addEventListener("click", () => does[/** @type {string} */ (id)]());
  }
  addEventListener("mousedown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!target.closest("button") || target.closest("dialog")) return;
    event.preventDefault();
    byId("stage").focus({ preventScroll: true });
  });
}
