// One result: kept current by push, with its heat map and its frames laid over the picture.
import { Live } from "./live.js";
import { fill } from "./slots.js";
import { Zoom } from "./zoom.js";

const SVG = "http://www.w3.org/2000/svg";
const LABEL_PX = 13;
const page = document.getElementById("result");
const stack = page.querySelector(".viewer__stack");
const boxes = page.querySelector(".viewer__boxes");
const heat = page.querySelector(".viewer__heat");
const list = document.getElementById("objects");

for (const node of page.querySelectorAll("[data-scripted]")) node.hidden = false;

const live = new Live({
  path: page.dataset.socket,
  shown: () => [page.dataset],
  onState: (state) => { fill(page, state); layMap(state); frame(state.sure_objects); settle(state); },
  onDeleted: () => { document.getElementById("deleted").hidden = false; live.stop(); },
  indicator: document.getElementById("live"),
});
live.knows(page.dataset.id, Number(page.dataset.version));
live.start();

// --- Zoom ---------------------------------------------------------------------------------

const stage = page.querySelector(".viewer__stage");
const picture = page.querySelector(".viewer__picture");
new Zoom({
  stage,
  stack,
  picture,
  tools: document.getElementById("zoom"),
  size: [picture.getAttribute("width"), picture.getAttribute("height")].map(Number),
  full: stage.dataset.full,
});

// --- Heat map -----------------------------------------------------------------------------

const slider = document.getElementById("opacity");
function setOpacity() {
  const words = `${slider.value} %`;
  heat.style.opacity = String(slider.value / 100);
  document.getElementById("opacity-text").textContent = words;
  slider.setAttribute("aria-valuetext", words);
}
slider.addEventListener("input", setOpacity);
setOpacity();

// The map that was chosen lies over the picture, whatever else becomes known meanwhile.
const maps = { "": heat.getAttribute("src") };
for (const button of page.querySelectorAll("[data-show-map]")) {
  maps[button.dataset.showMap] = button.closest(".map").querySelector(".map__heat").getAttribute("src");
}

function layMap({ files, explanations } = {}) {
  if (files) maps[""] = files.heatmap;
  for (const [name, { image }] of Object.entries(explanations ?? {})) maps[name] = image;
  const chosen = page.querySelector("[name=map]:checked").value;
  const source = maps[chosen] ?? maps[""];
  if (source && heat.getAttribute("src") !== source) heat.src = source;
}

function showMap(name) {
  page.querySelector(`[name=map][value="${name}"]`).checked = true;
  if (slider.value === "0") slider.value = slider.defaultValue;
  slider.dataset.touched = "yes";
  setOpacity();
  layMap();
  document.getElementById("viewer").scrollIntoView({ block: "nearest" });
  stage.focus({ preventScroll: true });
}
page.addEventListener("change", (event) => event.target.name === "map" && layMap());
page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-show-map]");
  if (button) showMap(button.dataset.showMap);
});

const pixelated = document.getElementById("pixelated");
const setPixels = () => stack.toggleAttribute("data-pixelated", pixelated?.checked ?? false);
pixelated?.addEventListener("change", setPixels);
setPixels();

// --- Frames around objects ----------------------------------------------------------------

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function rectangle([left, top, right, bottom]) {
  return shape("rect", { x: left, y: top, width: right - left, height: bottom - top });
}

function frame(objects) {
  boxes.replaceChildren(...objects.map((object, index) => {
    const group = shape("g", { "data-index": index });
    group.append(rectangle(object.box));
    return group;
  }));
  label();
}

// Text is measured in pixels of the picture: it has to follow the size on the screen.
function label() {
  const { width, height } = boxes.viewBox.baseVal;
  const scale = width / (boxes.clientWidth || width);
  for (const row of list.querySelectorAll("[data-index]")) {
    const group = boxes.querySelector(`[data-index="${row.dataset.index}"]`);
    const box = group?.querySelector("rect");
    if (!box) continue;
    group.querySelector("text")?.remove();
    const size = LABEL_PX * scale;
    const top = Number(box.getAttribute("y"));
    const text = shape("text", {
      x: Number(box.getAttribute("x")) + size * 0.3,
      y: top > size * 1.3 ? top - size * 0.35 : Math.min(top + size * 1.1, height),
      "font-size": size,
      "stroke-width": size * 0.25,
    });
    text.textContent = row.firstElementChild.textContent;
    group.append(text);
  }
}
new ResizeObserver(label).observe(stack);

const showBoxes = document.getElementById("show-boxes");
showBoxes.addEventListener("change", () => boxes.toggleAttribute("data-off", !showBoxes.checked));

function pointOut(event, on) {
  const row = event.target.closest?.("[data-index]");
  if (!row) return;
  boxes.querySelector(`[data-index="${row.dataset.index}"]`)?.toggleAttribute("data-on", on);
  boxes.toggleAttribute("data-pointing", on);
}
for (const [kind, on] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
  list.addEventListener(kind, (event) => pointOut(event, on));
}

// --- Explanations on demand ----------------------------------------------------------------

// The answer to the question is the state, as every push is; the page stays where it is.
async function ask(event) {
  const form = event.target.closest("form[data-explain]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true"); // not disabled: the focus stays on it
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error();
    live.take(await answer.json());
    button.removeAttribute("aria-disabled");
    if (form.hidden) settleFocus(form);
  } catch {
    form.submit(); // the server's own page says what is wrong
  }
}
page.addEventListener("submit", ask);

// The button is gone: whoever pressed it stands on the words that took its place.
function settleFocus(form) {
  const words = form.parentElement.querySelector("[role=status]");
  words.tabIndex = -1;
  words.focus();
}

function settle({ status }) {
  if (status === "failed") document.getElementById("technical").open = true; // the reason is in there
}

// --- Copy ---------------------------------------------------------------------------------

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // No clipboard without https: the text is selected, so that one key copies it.
    getSelection().selectAllChildren(source);
    return;
  }
  const words = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = words; }, 2000);
}
for (const button of page.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
