/**
 * Draws the timeline: overview, ruler, fixations, one row per label track. Only what is in view is looked at, and what
 * falls on one pixel is drawn once, so that an hour is as quick as a minute.
 */
/** @import { Track } from "./types.js" */
/** @import { Timeline } from "./timeline.js" */
import { colourOf, fitted, themed } from "./draw.js";
import { isGuess } from "./edits.js";
import { clock, firstAfter } from "./time.js";

export const OVERVIEW = 20;
export const RULER = 18;
export const ROW = 17;
/** Width of the names at the left. */
export const GUTTER = 132;
const FIXATIONS = 28;
/** Where the tracks begin. */
export const TOP = OVERVIEW + RULER + FIXATIONS;
const STEPS_MS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5];
const LABEL_PX = 74;

/**
 * @typedef {object} Sheet what is drawn on
 * @property {CanvasRenderingContext2D} context
 * @property {number} width
 * @property {number} height
 * @property {(ms: number) => number} x
 */

/** @param {Timeline} timeline */
export function paint(timeline) {
  const { context, width, height } = fitted(timeline.canvas);
  const [a, b] = timeline.span;
  const scale = (width - GUTTER) / (b - a);
  /** @type {Sheet} */
  const sheet = { context, width, height, x: (ms) => GUTTER + (ms - a) * scale };
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  clipped(context, GUTTER, OVERVIEW, width - GUTTER, height, () => {
    paintRuler(sheet, timeline);
    paintRange(sheet, timeline);
    paintFixations(sheet, timeline);
    clipped(context, GUTTER, TOP, width, height, () => paintTracks(sheet, timeline));
    context.fillStyle = themed("--accent-line");
    context.fillRect(sheet.x(timeline.model.times[timeline.frame]) - 1, OVERVIEW, 2, height);
  });
  paintOverview(sheet, timeline);
  paintNames(sheet, timeline);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} w @param {number} h @param {() => void} draw */
function clipped(context, x, y, w, h, draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, w, h);
  context.clip();
  draw();
  context.restore();
}

/** @param {Sheet} sheet @param {Timeline} timeline */
function paintRuler({ context, width, height, x }, { span: [a, b] }) {
  const step = STEPS_MS.find((ms) => (ms / (b - a)) * (width - GUTTER) > LABEL_PX) ?? 36e5;
  const line = themed("--line-canvas");
  const ink = themed("--muted-canvas");
  for (let ms = Math.ceil(a / step) * step; ms <= b; ms += step) {
    context.fillStyle = line;
    context.fillRect(Math.round(x(ms)), OVERVIEW, 1, height);
    context.fillStyle = ink;
    context.fillText(clock(ms, step < 1000), Math.round(x(ms)) + 4, OVERVIEW + RULER / 2);
  }
}

/** @param {Sheet} sheet @param {Timeline} timeline */
function paintRange({ context, height, x }, { range, model }) {
  if (!range) return;
  const [from, to] = range.map((frame) => x(model.times[Math.max(0, Math.min(model.times.length - 1, frame))]));
  context.fillStyle = themed("--accent-line");
  context.globalAlpha = 0.25;
  context.fillRect(Math.min(from, to), OVERVIEW + RULER, Math.abs(to - from), height);
  context.globalAlpha = 1;
}

/** Labelled ones filled, suggested ones pale. @param {Sheet} sheet @param {Timeline} timeline */
function paintFixations({ context, x }, { model, span, fixation }) {
  const { onset_ms, offset_ms, label, suggestion, id } = model.fixations;
  const top = OVERVIEW + RULER + 4;
  const empty = themed("--muted-canvas");
  const colours = new Map(model.labels.map((one) => [one.id, colourOf(one)]));
  let painted = -1;
  for (let k = firstAfter(offset_ms, span[0]); k < id.length && onset_ms[k] <= span[1]; k++) {
    const start = x(onset_ms[k]);
    const end = Math.max(start + 1.5, x(offset_ms[k]) - 1);
    if (end < painted + 1 && id[k] !== fixation) continue; // on a pixel that is taken
    painted = end;
    const guess = label[k] === null;
    context.fillStyle = colours.get(/** @type {number} */ (guess ? suggestion[k] : label[k])) ?? empty;
    context.globalAlpha = guess ? 0.3 : 1;
    context.fillRect(start, top, end - start, FIXATIONS - 8);
    context.globalAlpha = 1;
    if (guess && end - start > 4) context.fillRect(start, top + FIXATIONS - 10, end - start, 2);
    if (id[k] === fixation) {
      context.strokeStyle = themed("--ink-canvas");
      context.lineWidth = 2;
      context.strokeRect(start - 1, top - 2, end - start + 2, FIXATIONS - 4);
    }
  }
}

/** Calls for each row of a track that is in view. @param {Timeline} timeline @param {number} height @param {(track: Track, y: number) => void} draw */
function rows({ tracks, scroll }, height, draw) {
  tracks.forEach((track, row) => {
    const y = TOP + row * ROW - scroll;
    if (y >= TOP - ROW && y <= height) draw(track, y);
  });
}

/** @param {Sheet} sheet @param {Timeline} timeline */
function paintTracks(sheet, timeline) {
  const { context, width, height, x } = sheet;
  const { times } = timeline.model;
  rows(timeline, height, (track, y) => {
    context.fillStyle = colourOf(timeline.model.label(track.label));
    for (const [first, last, source] of track.spans) {
      const start = x(times[first]);
      const end = Math.max(start + 1.5, x(times[Math.min(times.length - 1, last + 1)]));
      if (end < GUTTER || start > width) continue;
      const sure = !isGuess({ source });
      context.globalAlpha = sure ? 1 : 0.45;
      context.fillRect(start, y + (sure ? 4 : 6), end - start, sure ? ROW - 8 : ROW - 12);
    }
    context.globalAlpha = 1;
    paintKeyframes(sheet, times, track, y + ROW / 2);
  });
}

/** @param {Sheet} sheet @param {Float64Array} times @param {Track} track @param {number} y */
function paintKeyframes({ context, width, x }, times, track, y) {
  context.fillStyle = themed("--ink-canvas");
  let painted = -Infinity;
  for (const frame of track.keyframes ?? []) {
    const at = x(times[frame]);
    if (at < painted + 7 || at < GUTTER - 4 || at > width) continue;
    painted = at;
    context.beginPath();
    context.moveTo(at, y - 4); context.lineTo(at + 3.5, y); context.lineTo(at, y + 4); context.lineTo(at - 3.5, y);
    context.fill();
  }
}

/** @param {Sheet} sheet @param {Timeline} timeline */
function paintOverview({ context, width }, { all: [first, last], span, frame, model }) {
  const scale = (width - GUTTER) / (last - first);
  context.fillStyle = themed("--overview");
  context.fillRect(GUTTER, 0, width - GUTTER, OVERVIEW - 4);
  const { onset_ms, label, id } = model.fixations;
  context.fillStyle = themed("--done");
  let painted = -1;
  for (let k = 0; k < id.length; k++) {
    if (label[k] === null) continue;
    const at = Math.round(GUTTER + (onset_ms[k] - first) * scale);
    if (at !== painted) context.fillRect(at, 1, 2, OVERVIEW - 6);
    painted = at;
  }
  context.strokeStyle = themed("--accent-line");
  context.lineWidth = 1.5;
  context.strokeRect(GUTTER + (span[0] - first) * scale + 0.75, 0.75, Math.max(6, (span[1] - span[0]) * scale) - 1.5, OVERVIEW - 5.5);
  context.fillStyle = themed("--accent-line");
  context.fillRect(GUTTER + (model.times[frame] - first) * scale - 1, 0, 2, OVERVIEW - 4);
}

/** @param {Sheet} sheet @param {Timeline} timeline */
function paintNames({ context, height }, timeline) {
  context.fillStyle = themed("--muted-canvas");
  context.fillText("all", 12, OVERVIEW / 2 - 1);
  context.fillText("fixations", 12, OVERVIEW + RULER + FIXATIONS / 2);
  clipped(context, 0, TOP, GUTTER - 6, height, () => rows(timeline, height, (track, y) => {
    const label = timeline.model.label(track.label);
    context.fillStyle = colourOf(label);
    context.fillRect(12, y + 5, 7, 7);
    context.fillStyle = themed("--ink-canvas");
    context.fillText(label?.name ?? "?", 25, y + ROW / 2);
  }));
}
