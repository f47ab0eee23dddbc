/** Thumbnails of the neighbouring fixations or frames. */
/** @import { Model } from "./model.js" */
import { frameUrl } from "./api.js";
import { clock } from "./time.js";
import { colourOf } from "./draw.js";

const SLOT_PX = 104;

export class Filmstrip {
  /**
   * @param {HTMLElement} element
   * @param {Model} model
   * @param {{onFrame: (frame: number) => void, onFixation: (id: number) => void}} gestures
   */
  constructor(element, model, gestures) {
    this.element = element;
    this.model = model;
    this.gestures = gestures;
    this.fine = model.project.duration_ms < 6e5;
  }

  /** @param {"fixation" | "box"} mode @param {number} frame @param {number | null} fixation */
  show(mode, frame, fixation) {
    const half = Math.max(1, Math.floor(this.element.clientWidth / SLOT_PX / 2 - 0.5));
    const offsets = Array.from({ length: 2 * half + 1 }, (_, k) => k - half);
    const place = fixation === null ? undefined : this.model.place.get(fixation);
    const slots = mode === "fixation" && place !== undefined
      ? offsets.map((offset) => this.#fixation(place + offset, offset === 0))
      : offsets.map((offset) => this.#frame(frame + offset, offset === 0));
    slots.forEach((slot, k) => { // kept elements keep their pictures
      const old = /** @type {HTMLElement | undefined} */ (this.element.children[k]);
      if (old) this.#update(old, slot);
      else this.element.append(this.#element(slot));
    });
    while (this.element.children.length > slots.length) this.element.lastElementChild?.remove();
  }

  /** @typedef {{frame: number, text: string, colour: string, here: boolean, pick: () => void} | null} Slot */

  /** @param {number} k @param {boolean} here @returns {Slot} */
  #fixation(k, here) {
    const { id, frame, label } = this.model.fixations;
    if (k < 0 || k >= id.length) return null;
    const known = this.model.label(label[k]);
    return { frame: frame[k], here, text: known?.name ?? clock(this.model.times[Math.max(0, frame[k])], this.fine), colour: known ? colourOf(known) : "transparent", pick: () => this.gestures.onFixation(id[k]) };
  }

  /** @param {number} frame @param {boolean} here @returns {Slot} */
  #frame(frame, here) {
    if (frame < 0 || frame >= this.model.project.n_frames) return null;
    const state = this.model.view(frame);
    const colour = state?.confirmed ? "var(--done)" : "transparent";
    return { frame, here, text: String(frame), colour, pick: () => this.gestures.onFrame(frame) };
  }

  /** @param {Slot} slot */
  #element(slot) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("role", "option");
    button.append(document.createElement("img"), document.createElement("span"));
    this.#update(button, slot);
    return button;
  }

  /** @param {HTMLElement} element @param {Slot} slot */
  #update(element, slot) {
    const image = /** @type {HTMLImageElement} */ (element.firstElementChild);
    const text = /** @type {HTMLElement} */ (element.lastElementChild);
    element.classList.toggle("empty", slot === null);
    element.setAttribute("aria-hidden", String(slot === null));
    element.setAttribute("aria-selected", String(slot?.here ?? false));
    element.style.setProperty("--mark", slot?.colour ?? "transparent");
    element.onclick = slot && slot.pick;
    text.textContent = slot?.text ?? "";
    image.alt = slot ? `Frame ${slot.frame}` : "";
    const url = slot ? frameUrl(slot.frame, 160) : "";
    if (image.getAttribute("src") !== url) {
      if (url) image.src = url;
      else image.removeAttribute("src");
    }
  }
}
