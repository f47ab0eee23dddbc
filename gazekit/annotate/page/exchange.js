/** Files that come and go: the dialogs of import and export. */
/** @import { Model } from "./model.js" */
import { call, download, Refused } from "./api.js";
import { ask, field, sure } from "./dialogs.js";
import { element, toast } from "./dom.js";

const IMPORT_MS = 300000;

/** @type {[string, string, string, boolean][]} format, name, what it holds, can be read too */
const FORMATS = [
  ["coco", "COCO", "boxes and labels of all frames, JSON", true],
  ["cvat", "CVAT for video", "tracks with keyframes, XML 1.1", true],
  ["label_studio", "Label Studio", "video rectangles, JSON", true],
  ["fixations", "Fixations and reports", "label of each fixation, dwell times, transitions, CSV", false],
  ["model", "Trained model", "what was learned here, to find the same objects in other recordings, safetensors", false],
];

/** Files to take along. @param {Model} model */
export async function showExport(model) {
  await model.outbox.idle();
  await model.loadStats();
  const word = element("p", { class: "note", role: "status", "data-testid": "export-word" }, `Everything that is saved up to now. ${unreviewed(model)}`);
  const untrained = !model.project.model.version;
  const rows = FORMATS.map(([format, name, text]) => element("button", {
    type: "button", class: "format", "data-testid": `export-${format}`, disabled: format === "model" && untrained, onclick: () => take(model, format, name, word),
  }, element("b", {}, name), element("span", {}, format === "model" && untrained ? "nothing is learned yet" : text)));
  await ask("Export", [word, ...rows], null);
}

/** @param {Model} model @param {string} format @param {string} name @param {HTMLElement} word */
async function take(model, format, name, word) {
  word.textContent = `${name}: being made…`;
  word.classList.remove("bad");
  try {
    const file = await download(`/api/export/${format}`);
    word.textContent = `${file} is in your downloads. ${format === "fixations" ? unreviewed(model) : ""}`;
  } catch (error) {
    word.classList.add("bad");
    word.textContent = `${name} was not exported: ${/** @type {Error} */ (error).message}`;
  }
}

/** How much of what is exported nobody has looked at. @param {Model} model */
function unreviewed({ stats, fixations }) {
  const count = stats.unreviewed_fixations;
  return count ? `${count} of ${fixations.id.length} fixations rest on propagated or predicted boxes that nobody has reviewed.` : "";
}

/** Labels from elsewhere; one action, which can be undone. @param {Model} model @param {() => void} undo */
export async function showImport(model, undo) {
  const formats = FORMATS.filter(([, , , readable]) => readable);
  const answer = await ask("Import labels", [
    field("Format", element("select", { name: "format", "data-testid": "import-format" }, ...formats.map(([format, name]) => element("option", { value: format }, name)))),
    field("File", element("input", { type: "file", name: "file", required: true, accept: ".json,.xml", "data-testid": "import-file" })),
    element("p", { class: "note" }, "The import is one action: Undo takes it back whole."),
  ], "Import");
  if (!answer || !(await mayReplace(model))) return;
  const who = `author=${encodeURIComponent(model.author())}&tab=${encodeURIComponent(model.tab)}`;
  try {
    const { summary } = await call("POST", `/api/import/${answer.get("format")}?${who}`, /** @type {File} */ (answer.get("file")), IMPORT_MS);
    toast(summary ?? "Imported.", { action: "Undo", onAction: undo, stays: true });
    model.anew().catch(() => {});
  } catch (error) {
    const text = error instanceof Refused && error.status === 413 ? "the file is too large." : /** @type {Error} */ (error).message;
    toast(`Not imported: ${text}`, { error: true });
  }
}

/** @param {Model} model */
async function mayReplace(model) {
  await model.outbox.idle();
  await model.loadStats();
  const { boxes, confirmed_frames: confirmed } = model.stats;
  if (!boxes) return true;
  const have = `${boxes} box${boxes > 1 ? "es" : ""}${confirmed ? ` and ${confirmed} confirmed frame${confirmed > 1 ? "s" : ""}` : ""}`;
  return sure("Replace boxes?", `This project has ${have}. In the frames that the file speaks of, its boxes take the place of those. Undo brings them back.`, "Import and replace");
}
