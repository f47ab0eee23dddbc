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
  ["model", "Trained model", "starts other projects: gazekit annotate model=FILE", false],
];

/** Files to take along. @param {Model} model */
export async function showExport(model) {
  await model.outbox.idle();
  await model.loadStats();
  const word = element("p", { class: "note", role: "status", "data-testid": "export-word" }, "Everything saved so far.");
  const reviewed = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", "data-testid": "reviewed-only" }));
  const untrained = !model.project.model.version;
  const rows = FORMATS.map(([format, name, text]) => element("button", {
    type: "button", class: "format", "data-testid": `export-${format}`, disabled: format === "model" && untrained,
    onclick: () => take(format, name, format === "fixations" && reviewed.checked, word),
  }, element("b", {}, name), element("span", {}, format === "model" && untrained ? "not trained yet" : text)));
  await ask("Export", [word, ...rows, ...unreviewed(model, reviewed)], null);
}

/** @param {string} format @param {string} name @param {boolean} reviewedOnly @param {HTMLElement} word says how it went */
async function take(format, name, reviewedOnly, word) {
  word.textContent = `${name}: exporting…`;
  word.classList.remove("bad");
  try {
    const file = await download(`/api/export/${format}${reviewedOnly ? "?reviewed_only=true" : ""}`);
    word.textContent = `${file} is in your downloads.`;
  } catch (error) {
    word.classList.add("bad");
    word.textContent = `${name} was not exported: ${/** @type {Error} */ (error).message}`;
  }
}

/** How much of what is exported nobody has looked at, and whether to leave it out. @param {Model} model @param {HTMLInputElement} reviewed */
function unreviewed({ stats, fixations }, reviewed) {
  const count = stats.unreviewed_fixations;
  if (!count) return [];
  const all = fixations.id.length;
  return [
    element("p", { class: "note warn", "data-testid": "unreviewed" }, `${count} of ${all} fixations ${count > 1 ? "rest" : "rests"} on propagated or predicted boxes that nobody has reviewed.`),
    element("label", { class: "check" }, reviewed, "leave these without a label in “Fixations and reports”"),
  ];
}

/** Labels from elsewhere; one action, which can be undone whatever was done since. @param {Model} model */
export async function showImport(model) {
  const formats = FORMATS.filter(([, , , readable]) => readable);
  const answer = await ask("Import labels", [
    field("Format", element("select", { name: "format", "data-testid": "import-format" }, ...formats.map(([format, name]) => element("option", { value: format }, name)))),
    field("File", element("input", { type: "file", name: "file", required: true, accept: ".json,.xml", "data-testid": "import-file" })),
    element("p", { class: "note" }, "The import is one action: Undo takes all of it back."),
  ], "Import");
  if (!answer || !(await mayReplace(model))) return;
  const file = /** @type {File} */ (answer.get("file"));
  const how = new URLSearchParams({ author: model.author(), tab: model.tab, name: file.name });
  try {
    const { event, summary } = await call("POST", `/api/import/${answer.get("format")}?${how}`, file, IMPORT_MS);
    toast(summary, { action: "Undo", onAction: () => model.act({ op: "undo", event, frame: null }), stays: true });
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
  if (!boxes && !confirmed) return true;
  const counts = [boxes && `${boxes} box${boxes > 1 ? "es" : ""}`, confirmed && `${confirmed} confirmed frame${confirmed > 1 ? "s" : ""}`];
  const have = counts.filter(Boolean).join(" and ");
  return sure("Replace boxes?", `This project has ${have}. In the frames of the file, its boxes replace the existing ones; a changed frame stays confirmed only if the file says so. Undo restores everything.`, "Import and replace");
}
