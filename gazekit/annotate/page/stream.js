/** What the server tells by itself (server-sent events), handed to the model. */
/** @import { Model } from "./model.js" */

const RETRY_MS = 1000;

/**
 * @param {Model} model
 * @param {() => number} shown the frame on the stage
 */
export function listen(model, shown) {
  const source = new EventSource("/api/stream");
  let lost = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let fixations;

  source.onopen = () => {
    model.outbox.retry();
    if (!lost) return;
    lost = false;
    model.forget(undefined, shown()); // what was told meanwhile may have been missed
    model.loadProject();
    model.loadFixations();
  };
  source.onerror = () => {
    lost = true;
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(() => listen(model, shown), RETRY_MS);
  };

  /** @param {string} name @param {(data: any) => void} act */
  const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data || "{}")));
  const soon = () => {
    clearTimeout(fixations);
    fixations = setTimeout(() => model.loadFixations().catch(() => {}), 300);
  };
  on("frame", (data) => {
    if (data.tab !== model.tab) model.forget(data.frame, shown());
  });
  on("fixation", (data) => {
    if (data.tab !== model.tab) soon();
  });
  on("labels", () => model.loadProject().catch(() => {}));
  on("model", (data) => model.emit("model", data));
  on("predictions", (data) => {
    model.forget(undefined, shown());
    soon();
    model.emit("predictions", data);
  });
}
