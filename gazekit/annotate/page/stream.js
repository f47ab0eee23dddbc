/** What the server tells by itself (server-sent events), handed to the model. */
/** @import { Model } from "./model.js" */
import { get } from "./api.js";

const RETRY_MS = 1000;
const SOON_MS = 300;

/**
 * @param {Model} model
 * @param {() => number} shown the frame on the stage
 * @param {number} seen the last event that what the page knows holds
 */
export function listen(model, shown, seen = model.project.version) {
  const source = new EventSource("/api/stream");
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let fixations;

  source.onopen = async () => {
    model.outbox.retry();
    try {
      const project = await get("/api/project");
      if (!model.is(project)) return location.reload(); // another project is open at this address now
      if (project.version !== seen) await model.anew(shown()); // told while nobody listened
      seen = project.version;
    } catch {
      source.close();
      setTimeout(() => listen(model, shown, seen), RETRY_MS);
    }
  };
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(() => listen(model, shown, seen), RETRY_MS);
  };

  /** @param {string} name @param {(data: any) => void} act */
  const on = (name, act) => source.addEventListener(name, (event) => {
    seen = Number(event.lastEventId);
    act(JSON.parse(event.data || "{}"));
  });
  const soon = () => {
    clearTimeout(fixations);
    fixations = setTimeout(() => model.loadFixations().catch(() => {}), SOON_MS);
  };
  on("frame", ({ frame, version }) => model.heard(frame, version, shown()));
  on("fixation", ({ tab }) => {
    if (tab !== model.tab) soon();
  });
  on("labels", () => model.loadProject().catch(() => {}));
  on("model", (data) => model.emit("model", data));
  on("predictions", (data) => {
    model.forget(undefined, shown());
    soon();
    model.emit("predictions", data);
  });
  on("propagation", (data) => model.emit("propagation", data));
  on("reset", () => model.anew(shown()).catch(() => {}));
}
