/** The author and the tab. */
import { nonce } from "./edits.js";

/** One id for each tab, kept over a reload; a duplicated tab has the same, so the page that holds it keeps it. */
export async function tabId() {
  let tab = sessionStorage.getItem("gazekit.tab") ?? Math.random().toString(36).slice(2, 10);
  const held = await navigator.locks?.query();
  if (held?.held?.some((lock) => lock.name?.endsWith(`|${tab}`))) tab = Math.random().toString(36).slice(2, 10);
  sessionStorage.setItem("gazekit.tab", tab);
  return tab;
}

/** Undo takes back what was done under one name, so no two browsers start with the same one. */
export function author() {
  const known = localStorage.getItem("gazekit.author");
  if (known) return known;
  const name = `annotator-${nonce().slice(0, 4)}`;
  localStorage.setItem("gazekit.author", name);
  return name;
}
