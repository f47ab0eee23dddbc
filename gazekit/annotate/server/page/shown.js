/** Where the user is and what is drawn: one object that all parts read, and that what the user does changes. */

/**
 * @typedef {object} Shown
 * @property {"fixation" | "box"} mode
 * @property {number} frame
 * @property {number | null} fixation
 * @property {number | string | null} selected box
 * @property {boolean} drawing the next two clicks, or a drag, make a box
 * @property {boolean} gaze
 * @property {boolean} heat
 * @property {boolean} hidden boxes are not drawn
 * @property {boolean} playing
 * @property {number | null} label picked for the next box, null before any was
 */

/** @returns {Shown} */
export const atStart = () => ({
  mode: "fixation", frame: 0, fixation: null, selected: null, drawing: false, gaze: true, heat: false, hidden: false, playing: false, label: null,
});
