/** Labels, and the boxes of the frame shown. */
/** @import { Label, LabelledBox } from "./types.js" */
/** @import { Boxes } from "./boxes.js" */
/** @import { Model } from "./model.js" */
import { colourOf } from "./draw.js";
import { byId, coloured, element } from "./dom.js";
import { isGuess, isInterpolated } from "./edits.js";

/** @type {Record<string, string>} */
const SOURCES = { manual: "by hand", confirmed: "confirmed", propagated: "propagated", predicted: "predicted", imported: "imported" };

/**
 * @param {Model} model
 * @param {number | null | undefined} active what the fixation or the selected box has, or the next box gets
 * @param {{onPick: (label: Label) => void, onEdit: (label: Label) => void}} gestures
 */
export function showLabels(model, active, gestures) {
  const counts = new Map();
  for (const label of model.fixations.label) counts.set(label, (counts.get(label) ?? 0) + 1);
  const rows = model.labels.map((label) => element("li", {},
    coloured(element("button", {
      type: "button", class: "label", "aria-pressed": label.id === active, "data-label": label.id, title: `Label it “${label.name}”`, onclick: () => gestures.onPick(label),
    }, element("kbd", {}, (label.key ?? "").toUpperCase() || "·"), element("i", { class: "swatch" }), element("span", { class: "name" }, label.name),
    label.group ? element("span", { class: "tag", title: `At most one in a frame; taken for each other: ${label.group}` }, "1×") : null,
    element("span", { class: "count", title: "fixations" }, String(counts.get(label.id) ?? 0))), colourOf(label)),
    element("button", { type: "button", class: "quiet edit", "aria-label": `Change label ${label.name}`, title: "Change", onclick: () => gestures.onEdit(label) }, "⋯")));
  if (!model.labels.some((label) => label.id > 0)) rows.unshift(element("li", { class: "note" }, "Add the objects of your study below; each gets a key."));
  keepFocus(byId("labels"), rows);
}

/**
 * @param {Model} model
 * @param {Boxes} boxes
 * @param {{onSelect: (box: LabelledBox) => void, onDelete: (box: LabelledBox) => void}} gestures
 */
export function showBoxes(model, boxes, gestures) {
  const { view: state, guesses } = boxes;
  byId("boxes-title").textContent = state ? `Boxes · ${state.boxes.length}` : "Boxes";
  byId("confirm").hidden = !state || (!state.boxes.length && !guesses.length);
  byId("confirm").textContent = state?.confirmed ? "Confirmed ✓" : guesses.length ? "Take all" : "Confirm";
  byId("confirm").disabled = state?.confirmed ?? true;
  const rows = (state?.boxes ?? []).map((box) => {
    const label = model.label(box.label);
    const source = isInterpolated(box) ? "interpolated" : SOURCES[box.source];
    const score = isGuess(box) && box.score !== null && box.score !== undefined ? ` ${Math.round(100 * box.score)} %` : "";
    return element("li", {},
      coloured(element("button", { type: "button", class: isGuess(box) ? "box guess" : "box", "aria-pressed": box.id === boxes.selected?.id, "data-box": box.id, onclick: () => gestures.onSelect(box) },
        element("i", { class: "swatch" }), element("span", { class: "name" }, label?.name ?? "?"),
        box.keyframe ? element("span", { class: "key", title: "keyframe" }, "◆") : null, element("span", { class: "count", title: `${source}${box.author ? ` by ${box.author}` : ""}` }, element("span", { class: score && "long" }, source), score)), colourOf(label)),
      element("button", { type: "button", class: "quiet edit", "aria-label": `Delete box ${label?.name} in this frame`, title: "Delete in this frame (Delete)", onclick: () => gestures.onDelete(box) }, "×"));
  });
  for (const guess of guesses) {
    const label = model.label(guess.label);
    rows.push(element("li", {}, coloured(element("div", { class: "box guess" }, element("i", { class: "swatch" }),
      element("span", { class: "name" }, label?.name ?? "?"), element("span", { class: "count", title: "predicted" }, element("span", { class: "long" }, "predicted"), ` ${Math.round(100 * guess.score)} %`)), colourOf(label))));
  }
  if (state && !rows.length) rows.push(element("li", { class: "note" }, "No box in this frame: N draws one."));
  keepFocus(byId("boxes"), rows);
}

/** New rows, with the focus in the same place as before. @param {HTMLElement} list @param {HTMLElement[]} rows */
function keepFocus(list, rows) {
  const buttons = [...list.querySelectorAll("button")];
  const focused = buttons.indexOf(/** @type {any} */ (document.activeElement));
  list.replaceChildren(...rows);
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}
