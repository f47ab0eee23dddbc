/** What a reload finds again: the order of the queue, which is this browser's, and where one was, which is this tab's. */
/** @import { Project } from "./types.js" */
/** @import { Shown } from "./shown.js" */
import { identity } from "./model.js";

/** @param {Project} project */
const orderKey = (project) => `gazekit.order.${identity(project)}`;
/** @param {Project} project */
const placeKey = (project) => `gazekit.place.${identity(project)}`;

/** @param {Project} project */
export const keptOrder = (project) => localStorage.getItem(orderKey(project)) ?? "uncertainty";

/** @param {Project} project @param {string} order */
export const keepOrder = (project, order) => localStorage.setItem(orderKey(project), order);

/** @param {Project} project @returns {Pick<Shown, "mode" | "frame" | "fixation"> | null} null in a new tab */
export const keptPlace = (project) => JSON.parse(sessionStorage.getItem(placeKey(project)) ?? "null");

/** @param {Project} project @param {Shown} shown */
export const keepPlace = (project, { mode, frame, fixation }) => sessionStorage.setItem(placeKey(project), JSON.stringify({ mode, frame, fixation }));
