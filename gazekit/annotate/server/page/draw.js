/** What is drawn over a picture, in scene pixels. Pure functions of a 2-D context. */
/** @import { Box, Fixations, Label, LabelledBox, Prediction } from "./types.js" */
import { isGuess, isInterpolated } from "./edits.js";

export const HANDLE_PX = 9;
const NAME_PX = 18;
const NO_LABEL = "#9aa0a6";

/** A canvas that fits its place on the page at the screen's own pixels. @param {HTMLCanvasElement} canvas */
export function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

/** A colour of the page's theme. @param {string} name */
export const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {Label | undefined} label */
export const colourOf = (label) => label?.colour ?? NO_LABEL;

/** Black or white, whichever has the larger contrast (WCAG 2) on a colour. @param {string} hex */
function inkOn(hex) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255).map((s) => (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? "#000000" : "#ffffff";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {LabelledBox | Prediction} item
 * @param {Label | undefined} label
 * @param {object} look
 * @param {number} look.scale screen pixels per scene pixel
 * @param {boolean} [look.selected]
 * @param {boolean} [look.faint] a prediction
 * @param {boolean} [look.named]
 */
export function drawBox(context, item, label, { scale, selected = false, faint = false, named = true }) {
  const [x0, y0, x1, y1] = item.box;
  const colour = colourOf(label);
  const px = 1 / scale;
  const dashed = faint || ("source" in item && isGuess(item));
  context.save();
  context.globalAlpha = faint ? 0.85 : 1;
  if (selected) {
    context.fillStyle = `${colour}2e`;
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
  }
  const width = (selected ? 3 : 2) - Number("source" in item && isInterpolated(item));
  for (const [style, extra] of [["rgba(0, 0, 0, 0.55)", 1.5], [colour, 0]]) {
    context.strokeStyle = /** @type {string} */ (style);
    context.lineWidth = (width + /** @type {number} */ (extra)) * px;
    context.setLineDash(dashed ? [7 * px, 5 * px] : []);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  context.setLineDash([]);
  if (named) drawName(context, item, label, px, dashed);
  if (selected && "id" in item) drawHandles(context, item.box, px, colour);
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {LabelledBox | Prediction} item @param {Label | undefined} label @param {number} px @param {boolean} dashed */
function drawName(context, item, label, px, dashed) {
  const sure = dashed && item.score !== null && item.score !== undefined ? ` ${Math.round(100 * item.score)} %` : "";
  const text = (label?.name ?? "?") + sure;
  const colour = colourOf(label);
  context.font = `600 ${12 * px}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + 10 * px;
  const [x, y] = inView(context, item.box, wide, NAME_PX * px, px);
  context.fillStyle = colour;
  context.fillRect(x, y, wide, NAME_PX * px);
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.fillText(text, x + 5 * px, y + 9.5 * px);
}

/** Above a box, unless a side of the canvas is in the way. @param {CanvasRenderingContext2D} context @param {Box} box @param {number} wide @param {number} high @param {number} px @returns {[number, number]} left, top */
function inView(context, [x0, y0, x1], wide, high, px) {
  const { a, e, f } = context.getTransform();
  const left = -e / a;
  const right = (context.canvas.width - e) / a;
  const x = x1 < left || x0 > right ? x0 : Math.max(left, Math.min(x0 - px, right - wide));
  return [x, y0 - high < -f / a ? y0 : y0 - high];
}

/** Corners and sides to pull at. @param {Box} box @returns {[string, number, number][]} */
export function handles([x0, y0, x1, y1]) {
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  return [["nw", x0, y0], ["n", x, y0], ["ne", x1, y0], ["e", x1, y], ["se", x1, y1], ["s", x, y1], ["sw", x0, y1], ["w", x0, y]];
}

/** @param {CanvasRenderingContext2D} context @param {Box} box @param {number} px @param {string} colour */
function drawHandles(context, box, px, colour) {
  const size = HANDLE_PX * px;
  context.lineWidth = 1.5 * px;
  for (const [, x, y] of handles(box)) {
    context.fillStyle = "#ffffff";
    context.strokeStyle = colour;
    context.fillRect(x - size / 2, y - size / 2, size, size);
    context.strokeRect(x - size / 2, y - size / 2, size, size);
  }
}

/**
 * Where the eye looked: the samples of this frame, and a ring as wide as the tracker is accurate.
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number, number][]} gaze
 * @param {[number, number] | null} centre of the ring
 * @param {number} radius scene pixels
 * @param {number} scale
 */
export function drawGaze(context, gaze, centre, radius, scale) {
  const px = 1 / scale;
  context.save();
  for (const [, x, y] of gaze) {
    context.beginPath();
    context.arc(x, y, 2.5 * px, 0, 2 * Math.PI);
    context.fillStyle = "#ff3b6b";
    context.fill();
  }
  if (centre) {
    for (const [style, width] of [["rgba(0, 0, 0, 0.65)", 6.5], ["#ffffff", 4.5], ["#ff2d62", 2]]) {
      context.beginPath();
      context.arc(centre[0], centre[1], radius, 0, 2 * Math.PI);
      context.strokeStyle = /** @type {string} */ (style);
      context.lineWidth = /** @type {number} */ (width) * px;
      context.stroke();
    }
    context.beginPath();
    context.arc(centre[0], centre[1], 2 * px, 0, 2 * Math.PI);
    context.fillStyle = "#ffffff";
    context.fill();
  }
  context.restore();
}

/**
 * Gaze around a moment as heat: each fixation weighs its duration. Scene pixels, so the camera's own motion is in it.
 * @param {CanvasRenderingContext2D} context
 * @param {Fixations} fixations
 * @param {number[]} places which of them
 * @param {number} radius scene pixels
 */
export function drawHeat(context, fixations, places, radius) {
  context.save();
  for (const k of places) {
    const [x, y] = [fixations.x_px[k], fixations.y_px[k]];
    const weight = Math.min(1, (fixations.offset_ms[k] - fixations.onset_ms[k]) / 600);
    const glow = context.createRadialGradient(x, y, 0, x, y, 2.2 * radius);
    glow.addColorStop(0, `rgba(255, 214, 64, ${0.3 + 0.5 * weight})`);
    glow.addColorStop(0.45, `rgba(255, 72, 32, ${0.2 + 0.35 * weight})`);
    glow.addColorStop(1, "rgba(120, 0, 90, 0)");
    context.fillStyle = glow;
    context.fillRect(x - 2.2 * radius, y - 2.2 * radius, 4.4 * radius, 4.4 * radius);
  }
  context.restore();
}
