/** Helpers that make elements without markup in strings. */

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `on…` are listeners, `class` and others are set as they are
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true && !name.startsWith("aria-")) node.setAttribute(name, "");
    else if ((value !== false || name.startsWith("aria-")) && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** @param {Element} node @param {string} colour @returns {any} */
export function coloured(node, colour) {
  /** @type {HTMLElement} */ (node).style.setProperty("--swatch", colour);
  return node;
}

const TOAST_MS = 6000;
const ERROR_MS = 12000;
const TOASTS = 3;

/**
 * A short message beside the stage, the newest on top; what `stays` is there until closed or pushed out by newer ones.
 * @param {string} text
 * @param {{error?: boolean, stays?: boolean, action?: string, onAction?: () => void}} [options]
 */
export function toast(text, { error = false, stays = false, action, onAction } = {}) {
  const list = byId("toasts");
  const close = () => box.remove();
  const box = element("div", { class: error ? "toast error" : "toast", role: error ? "alert" : "status" },
    element("span", {}, text),
    action ? element("button", { type: "button", onclick: () => { close(); onAction?.(); } }, action) : null,
    element("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×"));
  const same = [...list.children].find((other) => other.firstElementChild?.textContent === text);
  if (same) same.remove();
  list.prepend(box);
  while (list.children.length > TOASTS) list.lastElementChild.remove();
  if (!stays) setTimeout(close, error ? ERROR_MS : TOAST_MS);
}

/**
 * The answer of a request; shows a message if it fails.
 * @param {Promise<any>} promise
 * @param {string} [done] message after success
 * @returns {Promise<any>} undefined if it failed
 */
export async function withToast(promise, done) {
  try {
    const answer = await promise;
    if (done) toast(done);
    return answer;
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { error: true });
    return undefined;
  }
}
