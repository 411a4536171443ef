/* Keeps the page of an open batch up to date: reads the page itself again, and takes what has changed. */
const SECONDS = 2;

const reread = async () => {
  const shown = document.getElementById("batch");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("batch");
    // Somebody who has reached a link with the keyboard keeps their place.
    if (fresh && !shown.contains(document.activeElement)) shown.replaceWith(fresh);
  } catch {
    /* no connection: the next try may have one */
  }
};

const turn = async () => {
  if (!document.hidden) await reread();
  if (document.getElementById("batch").hasAttribute("data-open")) setTimeout(turn, SECONDS * 1000);
};

setTimeout(turn, SECONDS * 1000);
