/** The review queue: as many rows in the page as fit, however long the queue is. Pages are asked for as they come into view. */
/** @import { QueueItem } from "./types.js" */
/** @import { Model } from "./model.js" */
import { get, frameUrl } from "./api.js";
import { clock } from "./time.js";
import { colourOf } from "./draw.js";

const ROW_PX = 52;
const PAGE = 100;
const SETTLED_MS = 120;

export class Queue {
  /** @type {Map<number, QueueItem>} place in the queue -> item */ items = new Map();
  total = 0;
  kind = "fixation";
  order = "uncertainty";
  /** @type {number | null} */ current = null;
  /** @type {Set<number>} */ #pages = new Set();
  #round = 0;
  /** Where the order continues after a jump, null without one. @type {QueueItem | null} */ #left = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #settle;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} rows
   * @param {Model} model
   * @param {(item: QueueItem) => void} onPick
   */
  constructor(list, rows, model, onPick) {
    this.list = list;
    this.rows = rows;
    this.model = model;
    this.onPick = onPick;
    list.addEventListener("scroll", () => this.draw());
    list.addEventListener("click", (event) => {
      const row = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("[data-place]"));
      if (row) this.pick(Number(row.dataset.place));
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.pick((this.current ?? -1) + step);
    });
    new ResizeObserver(() => this.draw()).observe(list);
  }

  /** Reloads the queue. @param {Partial<{kind: string, order: string}>} [what] */
  async refresh(what = {}) {
    Object.assign(this, what);
    this.#round++;
    this.#pages.clear();
    const at = this.current === null ? undefined : this.items.get(this.current);
    const page = Math.floor(Math.floor(this.list.scrollTop / ROW_PX) / PAGE);
    this.items = new Map();
    await this.#load(page);
    this.current = at ? this.#place(at.kind, at.id) : null;
    this.draw();
  }

  /** The first that is to do in another order is shown. @param {string} order */
  async choose(order) {
    this.list.scrollTop = 0;
    this.current = this.#left = null;
    await this.refresh({ order });
    this.next();
  }

  /** Shows the most uncertain, in whatever order the queue is, which goes on after it where it was left. @returns {Promise<boolean>} whether there is one */
  async uncertain() {
    const { items } = await get(`/api/queue?order=uncertainty&kind=${this.kind}&offset=0&limit=${PAGE}`);
    const item = items.find((/** @type {QueueItem} */ candidate) => !this.#done(candidate));
    if (!item) return false;
    const left = this.#left ?? this.items.get(this.current ?? 0) ?? null;
    this.onPick(item);
    this.current = this.#place(item.kind, item.id);
    this.#left = left;
    this.draw();
    return true;
  }

  /** @param {string} kind @param {number | null} id @returns {number | null} where it is in the queue, as far as that is known */
  #place(kind, id) {
    return [...this.items].find(([, item]) => item.kind === kind && item.id === id)?.[0] ?? null;
  }

  /** @param {number} page */
  async #load(page) {
    if (this.#pages.has(page)) return;
    this.#pages.add(page);
    const round = this.#round;
    try {
      const answer = await get(`/api/queue?order=${this.order}&kind=${this.kind}&offset=${page * PAGE}&limit=${PAGE}`);
      if (round !== this.#round) return;
      this.total = answer.total;
      answer.items.forEach((/** @type {QueueItem} */ item, /** @type {number} */ k) => this.items.set(page * PAGE + k, item));
    } catch {
      this.#pages.delete(page); // unreachable: asked again when drawn
      return;
    }
    this.draw();
  }

  /** Goes to a place in the queue. @param {number} place @returns {boolean} whether there is one */
  pick(place) {
    const item = this.items.get(place);
    if (!item) return false;
    this.current = place;
    this.#left = null;
    const top = place * ROW_PX;
    if (top < this.list.scrollTop || top + ROW_PX > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = top - this.list.clientHeight / 3;
    }
    this.draw();
    this.onPick(item);
    return true;
  }

  /** The next item that is still to do, after the current one and then from the top. @returns {boolean} */
  next() {
    const [place] = this.#open();
    return place !== undefined && this.pick(place);
  }

  /** The next items. @param {number} count */
  coming(count) { return this.#open().slice(0, count).map((place) => /** @type {QueueItem} */ (this.items.get(place))); }

  /** Places that are still to do, but the current one: after it, or from where the order was left, and then from the top. */
  #open() {
    const from = this.#left ? this.#place(this.#left.kind, this.#left.id) ?? 0 : (this.current ?? -1) + 1;
    const open = [...this.items].filter(([place, item]) => place !== this.current && !this.#done(item));
    const places = open.map(([place]) => place).sort((a, b) => a - b);
    return places.filter((place) => place >= from).concat(places.filter((place) => place < from));
  }

  /** Marks where the user is, if that is in the queue. @param {string} kind @param {number | null} id */
  follow(kind, id) {
    this.#left = null;
    const current = this.#place(kind, id);
    if (current === this.current) return;
    this.current = current;
    this.draw();
  }

  /** @param {QueueItem} item */
  #done(item) {
    if (item.kind === "frame") return this.model.view(item.frame)?.confirmed ?? false;
    const k = this.model.place.get(item.id);
    return k !== undefined && this.model.fixations.label[k] !== null && ["manual", "confirmed"].includes(this.model.fixations.source[k] ?? "");
  }

  draw() {
    this.rows.style.height = `${this.total * ROW_PX}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW_PX) - 2);
    const last = Math.min(this.total - 1, Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW_PX) + 2);
    for (const page of [Math.floor(first / PAGE), Math.floor(Math.max(0, last) / PAGE)]) {
      if (this.total && !this.#pages.has(page)) this.#load(page);
    }
    /** @type {HTMLElement[]} */
    const rows = [];
    for (let place = first; place <= last; place++) rows.push(this.#row(place));
    this.rows.replaceChildren(...rows);
    this.list.setAttribute("aria-activedescendant", this.current === null ? "" : `queue-${this.current}`);
    clearTimeout(this.#settle); // pictures only once the scrolling rests
    this.#settle = setTimeout(() => {
      for (const image of this.rows.querySelectorAll("img")) image.src = /** @type {string} */ (image.dataset.src);
    }, this.#shown.size && rows.every((row) => this.#shown.has(row.dataset.src ?? "")) ? 0 : SETTLED_MS);
  }

  /** @type {Set<string>} pictures that have been shown, so that drawing again does not make them flicker */ #shown = new Set();

  /** @param {number} place */
  #row(place) {
    const row = document.createElement("div");
    row.className = "queue-row";
    row.id = `queue-${place}`;
    row.dataset.place = String(place);
    row.style.transform = `translateY(${place * ROW_PX}px)`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-posinset", String(place + 1));
    row.setAttribute("aria-setsize", String(this.total));
    row.setAttribute("aria-selected", String(place === this.current));
    const item = this.items.get(place);
    if (!item) return row;
    if (this.#done(item)) row.classList.add("done");
    row.append(this.#thumb(item, row), this.#text(item));
    return row;
  }

  /** @param {QueueItem} item @param {HTMLElement} row */
  #thumb(item, row) {
    const image = document.createElement("img");
    image.alt = "";
    const url = frameUrl(item.frame, 160);
    row.dataset.src = url;
    image.dataset.src = url;
    if (this.#shown.has(url)) image.src = url;
    else image.onload = () => {
      this.#shown.add(url);
      if (this.#shown.size > 500) this.#shown.clear();
    };
    return image;
  }

  /** @param {QueueItem} item */
  #text(item) {
    const text = document.createElement("div");
    const title = document.createElement("b");
    title.textContent = item.kind === "fixation" ? `Fixation ${item.id}` : `Frame ${item.frame}`;
    const time = document.createElement("span");
    time.className = "when";
    time.textContent = clock(this.model.times[item.frame], this.model.project.duration_ms < 6e5);
    const why = document.createElement("span");
    why.className = "why";
    why.textContent = item.why ?? "";
    text.title = item.why ?? "";
    const k = item.kind === "fixation" ? this.model.place.get(item.id) : undefined;
    const label = k === undefined ? undefined : this.model.label(this.model.fixations.label[k] ?? this.model.fixations.suggestion[k]);
    if (label) {
      const swatch = document.createElement("i");
      swatch.style.background = colourOf(label);
      title.prepend(swatch);
      if (this.#done(item) || !why.textContent) why.textContent = label.name;
    }
    text.append(title, time, why);
    return text;
  }
}
