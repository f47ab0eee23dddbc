/** Pictures of frames: kept, and fetched ahead where one is navigation. */
import { frameUrl, get } from "./api.js";

const KEEP = 160;
const AHEAD = 6;
const WIDTHS = [480, 960, 1440, 1920];

export class Pictures {
  /** @type {Map<string, HTMLImageElement>} */ #images = new Map();
  #width = 960;

  /** @param {number} nFrames @param {number} nativeWidth */
  constructor(nFrames, nativeWidth) {
    this.nFrames = nFrames;
    this.nativeWidth = nativeWidth;
  }

  /** Pictures need not be finer than the stage shows them. @param {number} px device pixels */
  setWidth(px) {
    this.#width = Math.min(this.nativeWidth, WIDTHS.find((width) => width >= px) ?? this.nativeWidth);
  }

  /** @param {number} frame @returns {Promise<HTMLImageElement>} decoded; an error says whether the server was reached */
  async get(frame) {
    const image = this.#ask(frame);
    await image.decode().catch(() => get(frameUrl(frame, this.#width))); // an image does not say why it failed
    return image;
  }

  /** @param {number} frame @returns {HTMLImageElement | undefined} if it is there already */
  ready(frame) {
    const image = this.#images.get(frameUrl(frame, this.#width));
    return image?.complete && image.naturalWidth ? image : undefined;
  }

  /** @param {number} frame @param {number} direction @param {number[]} coming frames that are likely next */
  ahead(frame, direction, coming) {
    for (const next of coming) this.#ask(next);
    for (let k = 1; k <= AHEAD; k++) {
      const next = frame + Math.sign(direction || 1) * k;
      if (next >= 0 && next < this.nFrames) this.#ask(next);
    }
  }

  /** @param {number} frame */
  #ask(frame) {
    const url = frameUrl(frame, this.#width);
    const known = this.#images.get(url);
    if (known && !(known.complete && known.naturalWidth === 0)) return known; // a failed one is asked for again
    const image = new Image();
    image.src = url;
    this.#images.set(url, image);
    if (this.#images.size > KEEP) this.#images.delete(/** @type {string} */ (this.#images.keys().next().value));
    return image;
  }
}

/** Small pictures that failed are not shown as broken ones. */
export function hideBroken() {
  for (const [event, broken] of /** @type {[string, boolean][]} */ ([["error", true], ["load", false]])) {
    document.addEventListener(event, ({ target }) => {
      if (target instanceof HTMLImageElement) target.classList.toggle("broken", broken);
    }, true);
  }
}

/** Small pictures that failed are asked for again. */
export function repairBroken() {
  for (const image of document.querySelectorAll("img.broken")) image.setAttribute("src", image.getAttribute("src") ?? "");
}
