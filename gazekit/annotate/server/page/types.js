/**
 * The shapes of what the server and the page exchange; types only.
 *
 * @typedef {[number, number, number, number]} Box half-open scene pixels: x_min, y_min, x_max, y_max
 * @typedef {"manual" | "confirmed" | "propagated" | "predicted" | "imported"} Source
 * @typedef {number | string} Id a string is a box that the server has not yet numbered
 *
 * @typedef {object} LabelledBox
 * @property {Id} id
 * @property {Id | null} track
 * @property {number} label
 * @property {Box} box
 * @property {Source} source
 * @property {number | null} [score]
 * @property {string | null} [author]
 * @property {boolean} [keyframe]
 *
 * @typedef {{label: number, box: Box, score: number, margin?: number}} Prediction
 *
 * @typedef {object} FrameState one frame, as last received from the server
 * @property {number} frame
 * @property {number} version
 * @property {boolean} confirmed
 * @property {LabelledBox[]} boxes
 * @property {Prediction[]} [predictions]
 * @property {[number, number, number][]} [gaze] t_ms, x_px, y_px; x and y are null where the tracker lost the eye
 * @property {number[]} [fixations]
 *
 * @typedef {object} Label
 * @property {number} id
 * @property {string} name
 * @property {string} colour
 * @property {string | null} group
 * @property {string | null} key
 *
 * @typedef {object} Fixations columns of equal length, ordered by onset
 * @property {number[]} id
 * @property {number[]} onset_ms
 * @property {number[]} offset_ms
 * @property {number[]} x_px
 * @property {number[]} y_px
 * @property {number[]} frame
 * @property {(number | null)[]} label
 * @property {(string | null)[]} source
 * @property {(number | null)[]} suggestion
 * @property {(number | null)[]} confidence
 * @property {boolean[]} by_model the suggestion was read from the model's predictions, not from boxes that are kept
 *
 * @typedef {object} Project
 * @property {string} [uuid] the same for ever
 * @property {string} name
 * @property {string} recording
 * @property {[number, number]} size_px
 * @property {number} n_frames
 * @property {number} duration_ms
 * @property {number} start_ms
 * @property {Label[]} labels
 * @property {number} n_fixations
 * @property {ModelStatus} model
 * @property {number} version
 * @property {number | null} [ring_px]
 * @property {string} [problem] why pictures or gaze cannot be had
 *
 * @typedef {object} ModelStatus
 * @property {string} state idle, training or failed
 * @property {number} [progress]
 * @property {number} [version]
 * @property {number | null} [accuracy]
 * @property {string} [message] what is learnt, how it ended, why it failed
 * @property {number | null} [eta_s] about how long still
 *
 * @typedef {object} Edit an action as it waits to be sent
 * @property {string} nonce unique; a repeated one is not done twice
 * @property {string} op
 * @property {number | null} frame
 * @property {number | null} base_version null until the frame is known
 * @property {string} author
 * @property {Id} [id]
 * @property {Id | "same"} [track] "same": the one that this label is on already
 * @property {Id} [temp] the page's own id of a box not yet saved
 * @property {number} [label]
 * @property {Box} [box]
 * @property {boolean} [keyframe]
 * @property {number} [event] the action that an undo takes back, else the last one
 * @property {number} [fixation]
 * @property {number | null} [seen] the label of the fixation before
 * @property {number} [confidence]
 * @property {Id[]} [ids]
 * @property {number} [first]
 * @property {number} [last]
 * @property {number} [into]
 * @property {string} [name]
 * @property {string} [colour]
 * @property {string | null} [group]
 * @property {string | null} [key]
 * @property {(Prediction & {frame?: number})[]} [boxes] predictions that become boxes of their frame
 * @property {Source} [source] of these
 * @property {number} [t_key] performance.now() of the key or pointer that made it
 *
 * @typedef {object} Conflict
 * @property {number} frame
 * @property {FrameState} base what the edits were made on
 * @property {FrameState} theirs what is saved now
 * @property {Edit[]} edits
 *
 * @typedef {{kind: "fixation" | "frame", id: number, frame: number, score: number | null, why: string | null}} QueueItem
 * @typedef {{track: Id, label: number, spans: [number, number, Source][], keyframes?: number[]}} Track
 */

export {};
