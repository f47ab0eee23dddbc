/** Keys: which does what, what the help shows, and how the user gives them other ones. */
import { byId, element } from "./dom.js";

/**
 * @typedef {object} Binding
 * @property {string} id
 * @property {string} keys as shown, alternatives separated by a space
 * @property {string} text
 * @property {string} group
 * @property {(event: KeyboardEvent) => void} [run]
 */

const STORAGE = "gazekit.keys";

/** @type {[string, [string, string, string][]][]} group, then id, keys, what they do */
const TABLE = [
  ["Label", [
    ["digit", "1…9", "label the fixation, or the selected box, or the next box"],
    ["background", "0", "background: none of the objects"],
    ["cannot", "X", "cannot tell"],
    ["confirm", "Enter", "the suggestion, or this frame, is right; go to the next"],
    ["add-label", "L", "add a label"],
    ["uncertain", "U", "go to the most uncertain"],
    ["mode", "Q", "fixations or boxes"],
  ]],
  ["Move", [
    ["next-frame", "→", "next frame"],
    ["previous-frame", "←", "previous frame"],
    ["second-on", "Shift+→", "1 s forward"],
    ["second-back", "Shift+←", "1 s back"],
    ["next-fixation", "S F", "next fixation"],
    ["previous-fixation", "A Shift+F", "previous fixation"],
    ["next-open", "Shift+S", "next fixation without a label"],
    ["previous-open", "Shift+A", "previous fixation without a label"],
    ["middle", "M", "the middle between two keyframes"],
    ["play", "Space", "play or pause"],
  ]],
  ["Boxes", [
    ["new-box", "N", "new box: two clicks, or a drag; digits choose its label"],
    ["box-at-gaze", "Shift+N", "new box around the gaze; move it with the keys"],
    ["next-box", "B", "select the next box"],
    ["previous-box", "Shift+B", "select the previous box"],
    ["nudge", "Alt+↔", "move the box by 1 px, with Ctrl by 10 (any arrow)"],
    ["stretch", "Alt+Shift+↔", "move its right or lower side"],
    ["delete", "Delete", "delete the box in this frame"],
    ["delete-track", "Shift+Delete", "delete it in all frames (asks)"],
    ["copy-next", "C", "copy boxes to the next frame and go there"],
    ["keyframe", "K", "keyframe on or off"],
    ["interpolate", "I", "interpolate between keyframes"],
    ["propagate", "P", "propagate forward"],
    ["propagate-back", "Shift+P", "propagate backward"],
  ]],
  ["See", [
    ["hide", "H", "hide the boxes while held"],
    ["gaze", "G", "gaze on or off"],
    ["heat", "T", "heat on or off"],
    ["zoom-in", "+", "zoom in (or the wheel)"],
    ["zoom-out", "-", "zoom out"],
    ["fit", "Z", "the whole frame"],
    ["timeline-in", "]", "timeline: closer"],
    ["timeline-out", "[", "timeline: farther"],
  ]],
  ["Project", [
    ["undo", "Ctrl+Z", "undo"],
    ["redo", "Ctrl+Shift+Z Ctrl+Y", "redo"],
    ["update", "R", "update the model now"],
    ["escape", "Esc", "stop drawing, playing or learning"],
    ["export", "E", "export"],
    ["help", "?", "this help"],
  ]],
];

/** Keys that are held together with arrows or digits have no single name and stay as they are. */
const FIXED = new Set(["digit", "nudge", "stretch", "escape", "hide"]);
const NAMES = /** @type {Record<string, string>} */ ({ ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc", Backspace: "Delete", "=": "+" });

/** The name of a key with what is held, as in the table. @param {KeyboardEvent} event */
export function nameOf(event) {
  const key = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const letter = /^[A-Z]$/.test(key) || key.length > 1 || "→←↑↓".includes(key);
  return [event.ctrlKey || event.metaKey ? "Ctrl+" : "", event.altKey ? "Alt+" : "", event.shiftKey && letter ? "Shift+" : "", key].join("");
}

export class Keys {
  /** @type {Binding[]} */ bindings = [];
  /** @type {Map<string, string>} key -> id */ #ids = new Map();
  /** @type {Record<string, string>} */ #own = JSON.parse(localStorage.getItem(STORAGE) ?? "{}");

  constructor() {
    this.#read();
  }

  #read() {
    this.bindings = TABLE.flatMap(([group, rows]) => rows.map(([id, keys, text]) => ({ id, text, group, keys: this.#own[id] ?? keys })));
    this.#ids = new Map(this.bindings.flatMap((binding) => binding.keys.split(" ").map((key) => [key, binding.id])));
  }

  /** @param {KeyboardEvent} event @returns {string | undefined} what the key does */
  find(event) {
    return this.#ids.get(nameOf(event));
  }

  /** @param {string} id @param {string} key */
  #give(id, key) {
    const taken = this.#ids.get(key);
    if (taken && taken !== id) return this.bindings.find((binding) => binding.id === taken)?.text;
    this.#own[id] = key;
    localStorage.setItem(STORAGE, JSON.stringify(this.#own));
    this.#read();
    return undefined;
  }

  /** The overlay with all keys. */
  show() {
    const dialog = /** @type {HTMLDialogElement} */ (byId("help"));
    const note = element("p", { class: "note", role: "status" }, "Click a key to change it.");
    const columns = element("div", { class: "help-columns" }, ...TABLE.map(([group]) => this.#section(group, note)));
    dialog.replaceChildren(
      element("header", {}, element("h2", { id: "help-title" }, "Keys"),
        element("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
      columns,
      element("p", { class: "note" }, "On the frame: drag to draw a box, drag a box or its handles to change it, wheel to zoom, Shift+drag or the middle button to pan. On the timeline: wheel to scroll, Ctrl+wheel to zoom, Shift+wheel for more tracks."),
      element("footer", {}, note, element("button", { type: "button", onclick: () => { this.#own = {}; localStorage.removeItem(STORAGE); this.#read(); this.show(); } }, "Reset keys")));
    if (!dialog.open) dialog.showModal();
  }

  /** @param {string} group @param {HTMLElement} note */
  #section(group, note) {
    const rows = this.bindings.filter((binding) => binding.group === group).map((binding) => element("div", { class: "help-row" },
      element("span", { class: "help-keys" }, ...binding.keys.split(" ").map((key) => this.#key(binding, key, note))),
      element("span", {}, binding.text)));
    return element("section", {}, element("h3", {}, group), ...rows);
  }

  /** @param {Binding} binding @param {string} key @param {HTMLElement} note */
  #key(binding, key, note) {
    if (FIXED.has(binding.id)) return element("kbd", {}, key);
    const button = element("button", { type: "button", class: "kbd", "aria-label": `${key}: ${binding.text}. Change` }, key);
    button.addEventListener("click", () => {
      note.textContent = `Press a key for “${binding.text}”, Esc to cancel.`;
      button.classList.add("waiting");
      button.addEventListener("keydown", (event) => {
        if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
        const taken = event.key === "Escape" ? undefined : this.#give(binding.id, nameOf(event));
        this.show();
        if (taken) byId("help").querySelector("footer .note").textContent = `${nameOf(event)} is taken: ${taken}.`;
      });
    }, { once: true });
    return button;
  }
}
