// A picture at any size, from the whole of it down to single pixels. The stage scrolls, so arrow keys, wheels
// and fingers move the picture by the browser's own means, and all that lies over it grows along.

const STEP = 1.5;
const LARGEST = 48; // CSS pixels for one pixel of the picture
const CRISP = 2; // from here on, single pixels are what somebody wants to see
const KEYS = { "+": "in", "=": "in", "-": "out", "_": "out", 0: "fit", 1: "actual" };

export class Zoom {
  // size: [width, height] of the picture in its own pixels; full: where it lies unreduced, if browsers can show it.
  constructor({ stage, stack, picture, tools, size, full }) {
    Object.assign(this, { stage, stack, picture, tools, width: size[0], height: size[1], full });
    this.scale = null; // CSS pixels for one of the picture's; null: fitted by the style sheet
    this.fingers = new Map();
    tools.addEventListener("click", (event) => this.act(event.target.closest("[data-zoom]")?.dataset.zoom));
    stage.addEventListener("keydown", (event) => this.onKey(event));
    stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.onDoubleClick(event));
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => this[kind](event));
    }
    new ResizeObserver(() => this.show()).observe(stack);
  }

  get shown() {
    return this.scale ?? this.stack.clientWidth / this.width;
  }

  act(what) {
    if (what === "in") this.to(this.shown * STEP);
    if (what === "out") this.to(this.shown / STEP);
    if (what === "actual") this.to(1);
    if (what === "fit") this.fit();
  }

  // The point of the picture that lies at [x, y] of the stage stays where it is.
  to(scale, [x, y] = [this.stage.clientWidth / 2, this.stage.clientHeight / 2]) {
    const fitted = this.fitted ?? this.shown;
    const wanted = Math.min(scale, LARGEST);
    if (wanted <= fitted) return this.fit();
    const before = this.stack.getBoundingClientRect();
    const frame = this.stage.getBoundingClientRect();
    const point = [(x + frame.left - before.left) / before.width, (y + frame.top - before.top) / before.height];
    if (this.scale === null) this.begin(fitted);
    this.scale = wanted;
    this.stack.style.width = `${this.width * wanted}px`;
    this.stack.style.height = `${this.height * wanted}px`;
    const after = this.stack.getBoundingClientRect();
    this.stage.scrollLeft += after.left + point[0] * after.width - frame.left - x;
    this.stage.scrollTop += after.top + point[1] * after.height - frame.top - y;
    this.load();
    this.show();
  }

  begin(fitted) {
    this.fitted = fitted;
    this.stage.style.height = `${this.stage.offsetHeight}px`; // the page stays as it is
    this.stage.dataset.zoomed = "";
  }

  fit() {
    this.scale = null;
    this.fitted = null;
    this.stack.removeAttribute("style");
    this.stage.removeAttribute("style");
    delete this.stage.dataset.zoomed;
    this.show();
  }

  show() {
    this.stack.toggleAttribute("data-crisp", this.scale !== null && this.shown >= CRISP);
    this.tools.querySelector("output").textContent = `${Number(this.shown.toPrecision(2))}×`; // no per cent: of those people expect answers
    this.disable("in", this.shown >= LARGEST);
    this.disable("out", this.scale === null);
    this.disable("fit", this.scale === null);
  }

  // Not disabled for good: a button that has the focus keeps it.
  disable(what, off) {
    this.tools.querySelector(`[data-zoom="${what}"]`)?.setAttribute("aria-disabled", String(off));
  }

  // The page shows a reduced picture. Whoever looks closer gets the file's own pixels, once.
  load() {
    const full = this.full;
    if (!full || this.shown * this.width * devicePixelRatio <= this.picture.naturalWidth) return;
    this.full = null;
    const image = new Image();
    image.src = full;
    image.decode().then(() => { this.picture.src = full; }, () => {}); // else the reduced one stays
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    this.act(KEYS[event.key]);
  }

  // With Ctrl, which is also what pinching a touchpad sends; a plain wheel scrolls.
  onWheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.to(this.shown * Math.exp(-event.deltaY / 200), this.at(event));
  }

  onDoubleClick(event) {
    if (this.shown >= LARGEST) this.fit();
    else this.to(this.shown * STEP * STEP, this.at(event));
  }

  at({ clientX, clientY }) {
    const frame = this.stage.getBoundingClientRect();
    return [clientX - frame.left, clientY - frame.top];
  }

  // --- A mouse drags the picture; two fingers pinch it; one finger scrolls by itself ---------

  pointerdown(event) {
    if (event.pointerType === "mouse" && (event.button !== 0 || this.scale === null)) return;
    if (event.pointerType === "mouse") event.preventDefault(); // else the picture itself is dragged away
    if (event.pointerType === "mouse") this.stage.setPointerCapture(event.pointerId);
    this.stage.focus({ preventScroll: true });
    this.fingers.set(event.pointerId, event);
  }

  pointermove(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const other = [...this.fingers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    if (other) this.pinch(before, event, other);
    else if (event.pointerType === "mouse") this.drag(before, event);
    this.fingers.set(event.pointerId, event);
  }

  pointerup(event) {
    this.fingers.delete(event.pointerId);
  }

  pointercancel(event) {
    this.fingers.delete(event.pointerId);
  }

  drag(before, event) {
    this.stage.scrollLeft -= event.clientX - before.clientX;
    this.stage.scrollTop -= event.clientY - before.clientY;
  }

  pinch(before, event, other) {
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    this.to((this.shown * apart(event)) / apart(before), this.at(middle));
  }
}
