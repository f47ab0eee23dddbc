/** What a reload restores: the order of the queue, stored per browser, and the place in the recording, stored per tab. */
/** @import { Project } from "./types.js" */
/** @import { ViewState } from "./view_state.js" */
import { identity } from "./model.js";

/** @param {Project} project */
const orderKey = (project) => `gazekit.order.${identity(project)}`;
/** @param {Project} project */
const placeKey = (project) => `gazekit.place.${identity(project)}`;

/** @param {Project} project */
export const storedOrder = (project) => localStorage.getItem(orderKey(project)) ?? "uncertainty";

/** @param {Project} project @param {string} order */
export const storeOrder = (project, order) => localStorage.setItem(orderKey(project), order);

/** @param {Project} project @returns {Pick<ViewState, "mode" | "frame" | "fixation"> | null} null in a new tab */
export const storedPlace = (project) => JSON.parse(sessionStorage.getItem(placeKey(project)) ?? "null");

/** @param {Project} project @param {ViewState} viewState */
export const storePlace = (project, { mode, frame, fixation }) => sessionStorage.setItem(placeKey(project), JSON.stringify({ mode, frame, fixation }));
