// The page to drop images on: each file becomes a card at once, which the server then fills.
import { Live } from "./live.js";
import { fill } from "./slots.js";
import { Line, gather, send } from "./upload.js";

const page = document.getElementById("check");
const results = document.getElementById("results");
const news = document.getElementById("news");
const form = document.getElementById("upload");
const checks = JSON.parse(document.getElementById("early-checks").textContent);
const line = new Line();
const cards = new Map(); // detection id → card
const early = new Map(); // states that came before the answer to their own upload

for (const card of results.querySelectorAll("[data-id]")) cards.set(card.dataset.id, card);

const live = new Live({
  path: page.dataset.socket,
  latest: location.pathname,
  shown: () => [...cards.values()].map(({ dataset }) => dataset),
  onState: arrived,
  onDeleted: (id) => { cards.get(id)?.remove(); cards.delete(id); },
  indicator: document.getElementById("live"),
});
for (const [id, card] of cards) live.knows(id, Number(card.dataset.version));
live.start();
if (form) gather(document.querySelector("[data-zone]"), [...form.querySelectorAll("input[type=file]")], take);

// --- What comes in ------------------------------------------------------------------------

function arrived(state) {
  const card = cards.get(state.id);
  if (card) show(card, state);
  // While uploads run it may be one of ours whose answer is still on its way.
  else if (!line.idle) early.set(state.id, state);
  else show(adopt(newCard(), state.id), state);
}

function show(card, state) {
  const before = card.dataset.answer ?? "";
  const after = state.answer || (state.status === "failed" ? "failed" : "");
  fill(card, state);
  card.dataset.answer = after;
  if (after && after !== before && card.dataset.fresh) announce(state);
}

function announce(state) {
  const said = document.createElement("p");
  said.textContent = [state.name + ":", state.verdict_words, state.confidence_text].join(" ").trim();
  news.append(said);
  while (news.children.length > 20) news.firstElementChild.remove();
}

function newCard() {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  card.dataset.fresh = "yes";
  results.prepend(card);
  document.getElementById("first-visit").hidden = true;
  return card;
}

function adopt(card, id) {
  cards.set(id, card);
  return card;
}

// --- What goes out ------------------------------------------------------------------------

function take(files) {
  // The last one goes in first, so that they stand in the order in which they were chosen.
  const jobs = files.map((file) => ({ file, reason: reasonAgainst(file) })).reverse();
  for (const job of jobs) job.card = job.reason ? refuse(job.file.name, job.reason) : prepare(job.file);
  for (const { file, card, reason } of jobs.reverse()) if (!reason) line.add(() => upload(file, card));
}

function reasonAgainst(file) {
  const words = file.size === 0 ? checks.empty
    : file.size > checks.max_bytes ? checks.too_large
    : checks.types[file.type];
  return words?.replace("{name}", file.name);
}

function prepare(file) {
  const card = newCard();
  fill(card, { name: file.name, verdict_words: file.name && page.dataset.uploading, status: "waiting" });
  const picture = card.querySelector("img");
  const local = URL.createObjectURL(file);
  picture.src = local;
  const done = () => URL.revokeObjectURL(local);
  picture.addEventListener("load", done, { once: true });
  picture.addEventListener("error", done, { once: true }); // a kind that this browser cannot show
  return card;
}

async function upload(file, card) {
  const bar = card.querySelector("[data-upload]");
  bar.hidden = false;
  let answer;
  try {
    answer = await send(form.action, file, form.elements.csrfmiddlewaretoken.value, (share) => {
      bar.querySelector("progress").value = share;
    });
  } catch {
    answer = { detail: page.dataset.interrupted.replace("{name}", file.name), again: true };
  }
  bar.hidden = true;
  settle(answer, file, card);
}

function settle(answer, file, card) {
  const [state] = answer.detections ?? [];
  if (state) {
    adopt(card, state.id);
    if ((early.get(state.id)?.version ?? 0) > state.version) show(card, early.get(state.id));
    else { live.knows(state.id, state.version); show(card, state); }
    early.delete(state.id);
  } else {
    const reason = answer.refused?.[0]?.detail ?? answer.detail;
    const again = answer.again || answer.refused?.[0]?.code === "busy";
    refuse(file.name, reason, card, again && (() => take([file])));
  }
  queueMicrotask(releaseStrangers);
}

// The upload line counts itself down after this: look once it has.
function releaseStrangers() {
  setTimeout(() => {
    if (!line.idle) return;
    for (const state of early.values()) if (!cards.has(state.id)) show(adopt(newCard(), state.id), state);
    early.clear();
  });
}

function refuse(name, reason, inPlaceOf = null, again = null) {
  const card = document.getElementById("refused").content.firstElementChild.cloneNode(true);
  fill(card, { file: name, detail: reason });
  card.querySelector("[data-dismiss]").addEventListener("click", () => dismiss(card));
  const button = card.querySelector("[data-again]");
  button.hidden = !again;
  if (again) button.addEventListener("click", () => { card.remove(); again(); });
  if (inPlaceOf) inPlaceOf.replaceWith(card);
  else results.prepend(card);
  announce({ name, verdict_words: reason, confidence_text: "" });
  return card;
}

function dismiss(card) {
  const next = card.nextElementSibling?.querySelector("a, button") ?? form?.querySelector("input[type=file]");
  card.remove();
  next?.focus();
}
