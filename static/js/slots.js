// Fills a piece of the page from a detection's state. The server's templates carry the same
// marks and are filled from the same object, so no sentence is ever made here.
//
//   data-slot="facts.size_text"          text
//   data-time="created_at"               how long ago; the exact time in the title
//   data-attr="src:files.thumbnail …"    attributes; the first of a|b that is there, else none
//   data-if="caution"  data-unless="…"   shown only where the value is there (or is not)
//   data-each="objects"                  one copy of the <template> inside for each item
//   data-whole                           within such a copy: filled from the whole state again

import { write as writeDate } from "./dates.js";

export function pick(state, path) {
  return path.split(".").reduce((value, key) => (value == null ? value : value[key]), state);
}

function isThere(value) {
  return Array.isArray(value) ? value.length > 0 : value !== null && value !== undefined && value !== "" && value !== false;
}

function setText(node, text) {
  const wanted = text == null ? "" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function setAttribute(node, name, value) {
  if (!isThere(value)) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

function fillAttributes(node, state) {
  for (const pair of node.dataset.attr.trim().split(/\s+/)) {
    const [name, paths] = pair.split(":");
    setAttribute(node, name, paths.split("|").map((path) => pick(state, path)).find(isThere));
  }
}

function fillList(node, items, whole) {
  // Rows are made anew only when their data moved: focus and hover stay where they are.
  const print = JSON.stringify(items);
  if (seenLists.get(node) !== print) makeRows(node, items);
  seenLists.set(node, print);
  for (const part of node.querySelectorAll("[data-whole]")) fill(part, whole);
}

function makeRows(node, items) {
  const pattern = node.querySelector(":scope > template");
  for (const old of node.querySelectorAll(":scope > :not(template)")) old.remove();
  for (const [index, item] of (items || []).entries()) {
    const row = pattern.content.firstElementChild.cloneNode(true);
    row.dataset.index = String(index);
    node.append(row);
    fill(row, item);
  }
}

const seenLists = new WeakMap();

function all(root, selector) {
  const found = [...root.querySelectorAll(selector)];
  if (root.matches?.(selector)) found.unshift(root);
  return found;
}

// Rows of a list have a state of their own: the list's filler cares for what is inside. What
// shows the whole state within a row is the list's to fill as well.
function mine(root, node) {
  const whole = node.closest("[data-whole]");
  if (whole && whole !== root && root.contains(whole)) return false;
  const list = node.parentElement?.closest("[data-each]");
  return !list || !root.contains(list) || list.contains(root);
}

export function fill(root, state) {
  const each = (selector, act) => all(root, selector).filter((node) => mine(root, node)).forEach(act);
  each("[data-each]", (node) => fillList(node, pick(state, node.dataset.each), state));
  each("[data-slot]", (node) => setText(node, pick(state, node.dataset.slot)));
  each("[data-attr]", (node) => fillAttributes(node, state));
  each("[data-time]", (node) => writeDate(node, pick(state, node.dataset.time)));
  each("[data-if]", (node) => { node.hidden = !isThere(pick(state, node.dataset.if)); });
  each("[data-unless]", (node) => { node.hidden = isThere(pick(state, node.dataset.unless)); });
}
