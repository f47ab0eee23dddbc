/** Times: sorted lists of them, and as text. */

/** Place of the first value that is larger. @param {number[]} sorted @param {number} value */
export function firstAfter(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {number} ms @param {boolean} [fine] with hundredths of a second */
export function clock(ms, fine = false) {
  const s = Math.max(0, ms) / 1000;
  const seconds = fine ? (s % 60).toFixed(2).padStart(5, "0") : String(Math.floor(s % 60)).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** How long something still takes. @param {number | null | undefined} s */
export function left(s) {
  if (s === null || s === undefined) return "";
  if (s < 5) return "nearly done";
  return s < 90 ? `about ${5 * Math.round(s / 5)} s left` : `about ${Math.round(s / 60)} min left`;
}
