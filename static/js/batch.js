/* Keeps the page of an open batch up to date: reads the page itself again, and takes what has changed. */
const SECONDS = 2;
const NO_LONGER_YOURS = [401, 403, 404];

/* By what a part is known again, whatever stands in it by now. */
const mark = (part) => {
  const own = part.getAttribute("href") || part.id || part.getAttribute("role") || part.className;
  return `${part.nodeName} ${own}`;
};

const hasWords = (part) =>
  [...part.childNodes].some((each) => each.nodeType === Node.TEXT_NODE && each.data.trim());

/* What is there already stays: it keeps its focus and its selection, and screen readers hear of what changes in it. */
const take = (shown, fresh) => {
  if (shown.isEqualNode(fresh)) return;
  for (const name of shown.getAttributeNames()) {
    if (!fresh.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) shown.setAttribute(name, fresh.getAttribute(name));
  if (hasWords(shown) || hasWords(fresh)) shown.replaceChildren(...fresh.childNodes);
  else takeParts(shown, [...fresh.children]);
};

const takeParts = (shown, parts) => {
  const known = [...shown.children];
  for (const part of parts) {
    const place = known.findIndex((each) => mark(each) === mark(part));
    if (place < 0) {
      shown.insertBefore(part, known[0] ?? null);
      continue;
    }
    known.splice(0, place).forEach((each) => each.remove());
    take(known.shift(), part);
  }
  known.forEach((each) => each.remove());
};

const reread = async () => {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected || NO_LONGER_YOURS.includes(answer.status)) location.reload(); // the page itself says why
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("batch");
    if (fresh) take(document.getElementById("batch"), fresh);
  } catch {
    /* no connection: the next try may have one */
  }
};

const turn = async () => {
  if (!document.hidden) await reread();
  if (document.getElementById("batch").hasAttribute("data-open")) setTimeout(turn, SECONDS * 1000);
};

setTimeout(turn, SECONDS * 1000);
