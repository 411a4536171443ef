// Dates as accounts/templatetags/dates.py writes them, kept true while the page is open.

const UNITS = [["year", 365 * 86400], ["month", 30 * 86400], ["day", 86400], ["hour", 3600], ["minute", 60]];
const MINUTE = 60_000;

// Colleagues in two places read the same time, so the zone is the organisation's, and is named.
function format(options) {
  const zone = document.documentElement.dataset.timeZone || "UTC";
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat("en-GB", options); // a zone that this browser does not know
  }
}

const DAY = format({ day: "numeric", month: "long", year: "numeric" });
const CLOCK = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

export function relative(at, now = Date.now()) {
  const seconds = (now - at) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) < length) continue;
    const count = Math.floor(Math.abs(seconds) / length);
    const words = `${count} ${unit}${count > 1 ? "s" : ""}`;
    return seconds > 0 ? `${words} ago` : `in ${words}`;
  }
  return seconds >= 0 ? "just now" : "in a moment";
}

/** Writes a <time>: the words, and the exact time for whoever points at it. */
export function write(node, iso = node.getAttribute("datetime")) {
  const at = iso ? new Date(iso) : null;
  if (!at || Number.isNaN(at.getTime())) return;
  const words = relative(at);
  if (node.textContent !== words) node.textContent = words;
  if (node.getAttribute("datetime") === iso && node.title) return;
  node.setAttribute("datetime", iso);
  node.title = `${DAY.format(at)}, ${CLOCK.format(at)}`;
}

const writeAll = () => document.querySelectorAll("time.when[datetime]").forEach((node) => write(node));
setInterval(() => !document.hidden && writeAll(), MINUTE);
document.addEventListener("visibilitychange", () => !document.hidden && writeAll());
