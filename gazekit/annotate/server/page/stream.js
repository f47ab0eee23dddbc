/**
 * What the server tells by itself (server-sent events), handed to the model. A browser has few connections to a server,
 * so a page that is not seen gives its own back, and asks for what it missed when it is seen again.
 */
/** @import { Model } from "./model.js" */
import { get } from "./api.js";

const RETRY_MS = 1000;
const SOON_MS = 300;

/** @param {Model} model */
export function listen(model) {
  let seen = model.project.version; // the last event that what the page knows holds
  /** @type {EventSource | null} */ let source = null;

  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/api/stream?after=${seen}`);
    source.onopen = () => greet(model, again);
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) again(); // else the browser tries again by itself
    };
    for (const [name, act] of Object.entries(heard(model))) {
      source.addEventListener(name, (event) => {
        seen = Number(event.lastEventId);
        act(JSON.parse(event.data));
      });
    }
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const again = () => {
    close();
    setTimeout(open, RETRY_MS);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}

/** The server is there (again). @param {Model} model @param {() => void} again */
async function greet(model, again) {
  model.outbox.retry();
  try {
    if (model.is(await get("/api/project"))) model.emit("back");
    else location.reload(); // another project is open at this address now
  } catch {
    again();
  }
}

/** What each event means. @param {Model} model @returns {Record<string, (data: any) => void>} */
function heard(model) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let waiting;
  const fixationsSoon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => model.loadFixations().catch(() => {}), SOON_MS);
  };
  return {
    frame: ({ frame, version }) => model.heard(frame, version),
    fixation: ({ tab }) => {
      if (tab !== model.tab) fixationsSoon();
    },
    labels: () => model.loadProject().catch(() => {}),
    model: (status) => model.emit("model", status),
    predictions: () => {
      model.forget();
      fixationsSoon();
      model.emit("predictions");
    },
    propagation: (status) => model.emit("propagation", status),
    reset: () => model.anew().catch(() => {}),
  };
}
