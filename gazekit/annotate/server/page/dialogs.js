/** Questions to the user. Each resolves to what was chosen, or null. */
/** @import { Label } from "./types.js" */
import { byId, element } from "./dom.js";

/**
 * @param {string} title
 * @param {(Node | string)[]} body
 * @param {string | null} ok text of the button that confirms, null if there is none
 * @param {{danger?: boolean}} [look]
 * @returns {Promise<FormData | null>}
 */
export function ask(title, body, ok, { danger = false } = {}) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  if (dialog.open) dialog.close();
  return new Promise((resolve) => {
    const form = /** @type {HTMLFormElement} */ (element("form", { method: "dialog" },
      element("header", {}, element("h2", { id: "dialog-title" }, title), element("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
      element("div", { class: "dialog-body" }, ...body),
      element("footer", {}, element("button", { type: "button", "data-testid": "dialog-cancel", onclick: () => dialog.close() }, ok ? "Cancel" : "Close"),
        ok ? element("button", { class: danger ? "primary danger" : "primary", value: "ok", "data-testid": "dialog-ok" }, ok) : null)));
    dialog.replaceChildren(form);
    dialog.returnValue = "";
    dialog.onclose = () => resolve(dialog.returnValue === "ok" ? new FormData(form) : null);
    dialog.showModal();
    const input = form.querySelector(".field input, .field select, .format");
    if (input instanceof HTMLElement) input.focus();
    if (input instanceof HTMLInputElement && ["text", "number"].includes(input.type)) input.select();
  });
}

/** @param {string} text @param {Node} input */
export const field = (text, input) => element("label", { class: "field" }, element("span", {}, text), input);

/** @param {string} title @param {string} text @param {string} ok */
export const sure = async (title, text, ok) => (await ask(title, [element("p", {}, text)], ok, { danger: true })) !== null;

/** @param {string} author */
export async function askAuthor(author) {
  const answer = await ask("Your name", [field("It is stored with each of your labels; Undo takes back the actions under this name.", element("input", { type: "text", name: "author", value: author, maxlength: 80, required: true }))], "Save");
  return answer && String(answer.get("author")).trim();
}

/** @param {string} title @param {string} text @param {number} value @param {number} least @param {number} most */
export async function askNumber(title, text, value, least, most) {
  const answer = await ask(title, [field(text, element("input", { type: "number", name: "number", value, min: least, max: most, required: true }))], "Go");
  return answer && Number(answer.get("number"));
}

/** @param {Label} label @param {Label[]} labels @returns {Promise<{name: string, colour: string, group: string, into: number | null} | null>} */
export async function askLabel(label, labels) {
  const always = label.id <= 0;
  const others = labels.filter((other) => other.id !== label.id && other.id > 0);
  const answer = await ask(`Label “${label.name}”`, [
    field("Name", element("input", { type: "text", name: "name", value: label.name, maxlength: 80, required: true, disabled: always })),
    field("Colour", element("input", { type: "color", name: "colour", value: label.colour })),
    field("Group of look-alikes (at most one of each in a frame)", element("input", { type: "text", name: "group", value: label.group ?? "", placeholder: "none", maxlength: 80, disabled: always })),
    ...(always ? [] : [field("Merge into", element("select", { name: "into" }, element("option", { value: "" }, "do not merge"),
      ...others.map((other) => element("option", { value: other.id }, other.name))))]),
  ], "Save");
  if (!answer) return null;
  const into = String(answer.get("into") ?? "");
  return { name: String(answer.get("name") ?? label.name).trim(), colour: String(answer.get("colour")), group: String(answer.get("group") ?? label.group ?? "").trim(), into: into === "" ? null : Number(into) };
}
