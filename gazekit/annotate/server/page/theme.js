/** Light, dark, or as the system has it. */
import { byId } from "./dom.js";

const STORAGE = "gazekit.theme";
const NEXT = /** @type {Record<string, string>} */ ({ auto: "light", light: "dark", dark: "auto" });
const SIGNS = /** @type {Record<string, string>} */ ({ auto: "◐", light: "☀", dark: "☾" });

/** @param {() => void} onChange redraws the canvases */
export function wireTheme(onChange) {
  const show = () => {
    const theme = localStorage.getItem(STORAGE) ?? "auto";
    document.documentElement.dataset.theme = theme;
    const button = byId("theme");
    button.textContent = SIGNS[theme];
    button.setAttribute("aria-label", `Colours: ${theme === "auto" ? "automatic" : theme}`);
    onChange();
  };
  byId("theme").onclick = () => {
    localStorage.setItem(STORAGE, NEXT[localStorage.getItem(STORAGE) ?? "auto"]);
    show();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}
