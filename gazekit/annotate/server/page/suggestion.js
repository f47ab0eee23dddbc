/** The line under the stage: what is known or guessed here, and the key that takes it; in box mode what will be drawn. */
/** @import { Label } from "./types.js" */
/** @import { Boxes } from "./boxes.js" */
/** @import { Model } from "./model.js" */
/** @import { ViewState } from "./view_state.js" */
import { byId, coloured, element } from "./dom.js";
import { colourOf } from "./draw.js";
import { BACKGROUND } from "./model.js";

/** @typedef {{what: string, hint: string, label?: Label}} Line */

/** @param {Model} model @param {ViewState} viewState @param {Boxes} boxes */
export function showSuggestion(model, viewState, boxes) {
  const { what, hint, label } = viewState.mode === "box" ? ofBoxes(model, viewState, boxes) : ofFixation(model, viewState);
  const line = byId("suggestion");
  const key = JSON.stringify([what, hint, label?.id, label?.colour]);
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  coloured(line, label ? colourOf(label) : "transparent");
  line.title = [what, hint].filter(Boolean).join(" · ");
  line.replaceChildren(...(what ? [label ? element("i", { class: "swatch" }) : null, element("b", {}, what), element("span", {}, hint)].filter((part) => part !== null) : []));
  byId("announce").textContent = `Frame ${viewState.frame}. ${what} ${hint}`;
}

/** @param {Model} model @param {ViewState} viewState @param {Boxes} boxes @returns {Line} */
function ofBoxes(model, viewState, boxes) {
  const { selected, next } = boxes;
  const guesses = boxes.guesses.length;
  if (viewState.drawing) return next ? { what: `Draw: ${next.name}`, hint: "two clicks or a drag · digits change the label", label: next } : { what: "No label yet", hint: "L adds one" };
  if (selected) return { what: model.label(selected.label)?.name ?? "?", hint: "digits relabel it · N draws another", label: model.label(selected.label) };
  if (guesses) return { what: guesses > 1 ? `${guesses} predicted boxes` : "1 predicted box", hint: `Enter accepts ${guesses > 1 ? "them" : "it"} · a click or B selects one` };
  return next ? { what: `Next box: ${next.name}`, hint: "drag to draw it · digits change the label", label: next } : { what: "No label yet", hint: "L adds one" };
}

/** @param {Model} model @param {ViewState} viewState @returns {Line} */
function ofFixation(model, viewState) {
  const { label, suggestion, confidence, source } = model.fixations;
  const k = viewState.fixation === null ? undefined : model.place.get(viewState.fixation);
  if (k === undefined) return { what: "", hint: "" };
  const known = model.label(label[k] ?? suggestion[k]);
  if (label[k] !== null) return { what: known?.name ?? "?", hint: source[k] === "confirmed" ? "confirmed" : "labelled", label: known };
  if (!known) return { what: "Looked at what?", hint: model.labels.some((own) => own.id > BACKGROUND) ? "press a label’s key" : "L adds a label, 0 is background" };
  return { what: `${known.name}?`, hint: `${confidence[k] === null ? "" : `${Math.round(100 * Number(confidence[k]))} % · `}Enter, or another key`, label: known };
}
