/** Labels, and the boxes of the frame shown. */
/** @import { Label, LabelledBox, Prediction } from "./types.js" */
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
  const rows = model.labels.map((label) => element("li", { "data-key": label.id },
    coloured(element("button", {
      type: "button", class: "label", "aria-pressed": label.id === active, "data-label": label.id, title: `Label it “${label.name}”`, onclick: () => gestures.onPick(label),
    }, element("kbd", {}, (label.key ?? "").toUpperCase() || "·"), element("i", { class: "swatch" }), element("span", { class: "name" }, label.name),
    label.group ? element("span", { class: "tag", title: `At most one per frame; look-alikes: ${label.group}` }, "1×") : null,
    element("span", { class: "count", title: "fixations" }, String(counts.get(label.id) ?? 0))), colourOf(label)),
    element("button", { type: "button", class: "quiet edit", "aria-label": `Edit label ${label.name}`, title: "Edit", onclick: () => gestures.onEdit(label) }, "⋯")));
  if (!model.labels.some((label) => label.id > 0)) rows.unshift(element("li", { class: "note" }, "Add the objects of your study below; each gets a key."));
  keepFocus(byId("labels"), rows);
}

/**
 * @param {Model} model
 * @param {Boxes} boxes
 * @param {{onSelect: (item: LabelledBox | Prediction) => void, onDelete: (item: LabelledBox | Prediction) => void}} gestures
 */
export function showBoxes(model, boxes, gestures) {
  const { view: state, guesses } = boxes;
  byId("boxes-title").textContent = state ? `Boxes · ${boxes.all.length}` : "Boxes";
  byId("confirm").hidden = !state || (!state.boxes.length && !guesses.length);
  byId("confirm").textContent = state?.confirmed ? "Confirmed ✓" : guesses.length ? "Accept all" : "Confirm";
  byId("confirm").disabled = state?.confirmed ?? true;
  const rows = boxes.all.map((item, k) => {
    const box = "id" in item ? item : { ...item, id: null, source: /** @type {const} */ ("predicted"), author: null, keyframe: false };
    const label = model.label(box.label);
    const source = isInterpolated(box) ? "interpolated" : SOURCES[box.source];
    const score = isGuess(box) && box.score !== null && box.score !== undefined ? ` ${Math.round(100 * box.score)} %` : "";
    return element("li", { "data-key": box.id ?? `predicted-${k}` },
      coloured(element("button", { type: "button", class: isGuess(box) ? "box guess" : "box", "aria-pressed": box.id === boxes.selected?.id, "data-box": box.id, onclick: () => gestures.onSelect(item) },
        element("i", { class: "swatch" }), element("span", { class: "name" }, label?.name ?? "?"),
        box.keyframe ? element("span", { class: "key", title: "keyframe" }, "◆") : null, element("span", { class: "count", title: `${source}${box.author ? ` by ${box.author}` : ""}` }, element("span", { class: score && "long" }, source), score)), colourOf(label)),
      element("button", { type: "button", class: "quiet edit", "aria-label": `Delete box ${label?.name} in this frame`, title: "Delete in this frame (Delete)", onclick: () => gestures.onDelete(item) }, "×"));
  });
  if (state && !rows.length) rows.push(element("li", { class: "note" }, "No box in this frame: N draws one."));
  keepFocus(byId("boxes"), rows);
}

/** New rows; the focus stays with the same label or box, or goes to the stage with it. @param {HTMLElement} list @param {HTMLElement[]} rows */
function keepFocus(list, rows) {
  const focused = document.activeElement;
  const row = focused && list.contains(focused) ? focused.closest("li") : null;
  const place = row ? [...row.children].indexOf(/** @type {Element} */ (focused)) : -1;
  list.replaceChildren(...rows);
  if (!row) return;
  const same = rows.find((other) => other.dataset.key === row.dataset.key);
  /** @type {HTMLElement} */ (same?.children[place] ?? byId("stage")).focus({ preventScroll: true });
}
