// Keeps a page's detections current: a WebSocket that comes back by itself, and reading the
// state over HTTP while it cannot. Only newer versions get through, whichever way they came.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 15000;
const READ_EVERY = 3000;
const NO_LONGER_YOURS = 4404;
const FULL = 4429; // too many pages are open
const RARELY = 6; // as after so many attempts

function address(path) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${path}`;
}

// Full jitter: a thousand pages that lost the same server must not come back in step.
function waitBefore(attempt) {
  const limit = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt);
  return limit / 2 + (Math.random() * limit) / 2;
}

/** The server's status and what it says; null where no answer came at all. */
async function readJson(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    return { status: answer.status, body: answer.ok ? await answer.json() : null };
  } catch {
    return null;
  }
}

const isShutOut = (answer) => answer?.status === 401 || answer?.status === 403;
const isGone = (answer) => answer?.status === 404;

export function isUnfinished(status) {
  return status === "waiting" || status === "working";
}

/**
 * path: the WebSocket's path; latest: where the organisation's newest states are to be read, for
 * pages of several (a page of one reads its own); shown(): [{id, url, status}] of what is on it;
 * onState(state), onDeleted(id); indicator: element whose data-live is live | connecting.
 */
export class Live {
  constructor({ path, latest, shown, onState, onDeleted, indicator }) {
    Object.assign(this, { path, latest, shown, onState, onDeleted, indicator });
    this.versions = new Map();
    this.lost = new Set();
    this.attempt = 0;
    this.timer = null;
    this.reader = null;
    this.stopped = false;
  }

  start() {
    this.open();
    // A sleeping phone or a lost network: come back at once, not at the end of a long wait.
    addEventListener("online", () => this.again(true));
    addEventListener("pageshow", (event) => event.persisted && this.again(true));
    document.addEventListener("visibilitychange", () => !document.hidden && this.again(false));
    return this;
  }

  knows(id, version) {
    this.versions.set(id, Math.max(version, this.versions.get(id) ?? 0));
  }

  take(state) {
    if ((this.versions.get(state.id) ?? 0) >= state.version) return;
    this.versions.set(state.id, state.version);
    this.lost.delete(state.id);
    this.onState(state);
  }

  // What is restored comes back two versions later; until then only what was said too late comes.
  lose(id) {
    if (this.lost.has(id)) return;
    this.lost.add(id);
    this.versions.set(id, (this.versions.get(id) ?? 0) + 1);
    this.onDeleted(id);
  }

  // Nothing is left to listen for.
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearInterval(this.reader);
    this.show("off");
    this.socket?.close();
  }

  // Signed out, or no member any more: the server says which, on the page or by sending elsewhere.
  leave() {
    this.stop();
    location.reload();
  }

  open() {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(address(this.path));
    this.socket = socket;
    socket.addEventListener("open", () => this.opened());
    socket.addEventListener("message", (event) => this.heard(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => this.socket === socket && this.closed(event.code));
  }

  again(fresh) {
    if (this.socket?.readyState === WebSocket.CONNECTING) return;
    if (this.socket?.readyState === WebSocket.OPEN && !fresh) return;
    const old = this.socket;
    this.socket = null;
    old?.close();
    this.attempt = 0;
    this.open();
  }

  opened() {
    this.attempt = 0;
    this.show("live");
    clearInterval(this.reader);
    this.reader = null;
    this.watch(this.shown().map(({ id }) => id));
    this.readLatest(); // finished since the page was made, or since it last listened: nothing moves there
  }

  // What came while nobody listened is asked for, not hoped for.
  watch(ids) {
    if (ids.length && this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "watch", ids }));
    }
  }

  heard(message) {
    if (message.type === "detection") this.take(message.detection);
    if (message.type === "deleted") this.lose(message.id);
  }

  closed(code) {
    if (this.stopped) return;
    this.show("connecting");
    if (code === NO_LONGER_YOURS) return this.leave();
    if (code === FULL) this.attempt = Math.max(this.attempt, RARELY); // meanwhile it reads
    this.timer = setTimeout(() => this.open(), waitBefore(this.attempt));
    this.attempt += 1;
    if (this.attempt > 1 && !this.reader) {
      this.reader = setInterval(() => this.read(), READ_EVERY);
      this.read();
    }
  }

  async readLatest() {
    if (!this.latest) return;
    const answer = await readJson(this.latest);
    if (isShutOut(answer) || isGone(answer)) return this.leave();
    for (const state of (answer?.body?.detections ?? []).reverse()) this.take(state);
  }

  // A refused socket does not tell browsers why, so what is asked here also finds that out.
  async read() {
    await this.readLatest();
    const wanted = this.shown().filter(({ status }) => !this.latest || isUnfinished(status));
    for (const { id, url } of wanted) {
      if (this.stopped) return;
      const answer = await readJson(url);
      if (isShutOut(answer)) return this.leave();
      if (isGone(answer)) this.lose(id);
      else if (answer?.body) this.take(answer.body);
    }
  }

  show(condition) {
    if (this.indicator) this.indicator.dataset.live = condition;
  }
}
