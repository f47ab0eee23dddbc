/** The state of the view: where the user is and what is drawn. All parts read this one object. */

/**
 * @typedef {object} ViewState
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

/** @returns {ViewState} */
export const atStart = () => ({
  mode: "fixation", frame: 0, fixation: null, selected: null, drawing: false, gaze: true, heat: false, hidden: false, playing: false, label: null,
});
