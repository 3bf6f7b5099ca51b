/* The canvas: camera, drawing when something has changed, and what lies under a point. */

const LEAST_SCALE = 0.02, MOST_SCALE = 4;
const MARGIN = 26, LEGEND = 56; // pixels around a picture that is fitted, and below it

class View {
  constructor(canvas, scene) {
    this.canvas = canvas;
    this.scene = scene;
    this.context = canvas.getContext("2d");
    this.camera = { x: 0, y: 0, scale: 1 };
    this.waiting = false;
    this.frames = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }

  resize() {
    const ratio = window.devicePixelRatio || 1, { width, height } = this;
    if (!width || !height) return;
    const before = this.size;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.size = { width, height };
    if (before && this.scene.places) {
      this.camera.x += (width - before.width) / 2;
      this.camera.y += (height - before.height) / 2;
    }
    this.draw();
  }

  /* Draw before the next frame is shown. */
  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    const { context: c, camera, canvas } = this, ratio = window.devicePixelRatio || 1;
    if (!this.scene.places) return;
    this.frames++;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = this.scene.colours.theme.paper;
    c.fillRect(0, 0, canvas.width, canvas.height);
    c.setTransform(ratio * camera.scale, 0, 0, ratio * camera.scale, ratio * camera.x, ratio * camera.y);
    const margin = 40;
    const a = this.toGraph(-margin, -margin), b = this.toGraph(this.width + margin, this.height + margin);
    this.scene.paint(new CanvasPen(c), camera.scale, { left: a.x, top: a.y, right: b.x, bottom: b.y });
  }

  toGraph(x, y) { return { x: (x - this.camera.x) / this.camera.scale, y: (y - this.camera.y) / this.camera.scale }; }
  toScreen(x, y) { return { x: x * this.camera.scale + this.camera.x, y: y * this.camera.scale + this.camera.y }; }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const { camera } = this, scale = clamp(camera.scale * factor, LEAST_SCALE, MOST_SCALE), f = scale / camera.scale;
    camera.x = x - (x - camera.x) * f;
    camera.y = y - (y - camera.y) * f;
    camera.scale = scale;
    this.refresh();
  }

  pan(dx, dy) {
    this.camera.x += dx;
    this.camera.y += dy;
    this.refresh();
  }

  /* The part of the canvas that a whole picture is fitted into: above the legend. */
  get room() { return { left: MARGIN, top: MARGIN, width: this.width - 2 * MARGIN, height: this.height - MARGIN - LEGEND }; }

  fit(smooth = true) {
    const { places } = this.scene, { room } = this;
    const scale = clamp(Math.min(room.width / places.width, room.height / places.height), LEAST_SCALE, 1.25);
    const x = room.left + (room.width - places.width * scale) / 2, y = room.top + (room.height - places.height * scale) / 2;
    this.fly({ scale, x, y }, smooth);
  }

  /* Begin readable: everything if that can be read, else the place where the outputs are. */
  home() {
    const { places } = this.scene;
    this.fit(false);
    if (this.camera.scale >= 0.7) return;
    const root = this.scene.folding.shown[[...this.scene.model.roots][0]], box = places.boxes.get(root);
    const scale = 0.9;
    const x = places.width * scale < this.width ? (this.width - places.width * scale) / 2 : this.width / 2 - box.x * scale;
    const y = places.height * scale < this.height ? (this.height - places.height * scale) / 2 : this.height * 0.75 - box.y * scale;
    this.fly({ scale, x, y }, false);
  }

  /* Bring an item into sight, moving no further than needed. */
  show(item) {
    const box = this.scene.places.boxes.get(item);
    if (!box) return;
    const scale = Math.max(this.camera.scale, 0.55), margin = 48;
    const at = { x: box.x * scale + this.camera.x, y: box.y * scale + this.camera.y };
    const w = (box.width / 2) * scale + margin, h = (box.height / 2) * scale + margin;
    if (scale === this.camera.scale) {
      const x = this.camera.x + clamp(at.x, Math.min(w, this.width / 2), Math.max(this.width - w, this.width / 2)) - at.x;
      const y = this.camera.y + clamp(at.y, Math.min(h, this.height / 2), Math.max(this.height - h, this.height / 2)) - at.y;
      if (x !== this.camera.x || y !== this.camera.y) this.fly({ scale, x, y });
    } else {
      this.fly({ scale, x: this.width / 2 - box.x * scale, y: this.height / 2 - box.y * scale });
    }
  }

  fly(to, smooth = true) {
    const from = { ...this.camera }, begin = performance.now(), time = 220;
    this.flight = {};
    if (!smooth || this.still || document.hidden) { this.camera = { ...to }; this.refresh(); return; }
    const mine = this.flight;
    const step = (now) => {
      if (this.flight !== mine) return;
      const t = clamp((now - begin) / time, 0, 1), s = t * t * (3 - 2 * t);
      for (const k of ["x", "y", "scale"]) this.camera[k] = from[k] + (to[k] - from[k]) * s;
      this.draw();
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /* The item at a point of the canvas, {hull: group} for the title of an open group's frame, or null. */
  at(x, y) {
    const p = this.toGraph(x, y), { places } = this.scene;
    const slack = 4 / this.camera.scale;
    for (const [item, b] of places.boxes) if (Math.abs(p.x - b.x) <= b.width / 2 + slack && Math.abs(p.y - b.y) <= b.height / 2 + slack) return { item };
    for (let i = places.hulls.length - 1; i >= 0; i--) {
      const h = places.hulls[i], top = h.y - h.height / 2;
      if (Math.abs(p.x - h.x) <= h.width / 2 && p.y >= top && p.y <= top + 24) return { hull: h.group };
    }
    return null;
  }
}
