/* Mouse, fingers and keys on the graph. */

function listenToPointers(view, { choose, openHull, toggle }) {
  const canvas = view.canvas, fingers = new Map();
  let moved = 0, spread = 0;
  const place = (e) => { const r = canvas.getBoundingClientRect(); return { x: e.clientX - r.left, y: e.clientY - r.top }; };
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    view.flight = {};
    fingers.set(e.pointerId, place(e));
    if (fingers.size === 1) moved = 0;
    spread = distance(fingers);
  });
  canvas.addEventListener("pointermove", (e) => {
    const p = place(e), before = fingers.get(e.pointerId);
    if (!before) {
      canvas.style.cursor = view.at(p.x, p.y) ? "pointer" : "grab";
      return;
    }
    fingers.set(e.pointerId, p);
    moved += Math.abs(p.x - before.x) + Math.abs(p.y - before.y);
    if (fingers.size === 1) {
      if (moved > 4) view.pan(p.x - before.x, p.y - before.y);
      return;
    }
    const now = distance(fingers), middle = centre(fingers);
    view.pan((p.x - before.x) / 2, (p.y - before.y) / 2);
    if (spread > 0 && now > 0) view.zoom(now / spread, middle.x, middle.y);
    spread = now;
  });
  const lift = (e) => {
    const p = fingers.get(e.pointerId);
    fingers.delete(e.pointerId);
    spread = distance(fingers);
    if (!p || e.type === "pointercancel" || moved > 6 || fingers.size) return;
    const found = view.at(p.x, p.y);
    if (found && found.hull !== undefined) openHull(found.hull);
    else choose(found ? found.item : null);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("dblclick", (e) => {
    const p = place(e), found = view.at(p.x, p.y);
    if (found && found.item !== undefined) toggle(found.item);
  });
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    view.flight = {};
    const p = place(e), lines = e.deltaMode === 1 ? 16 : 1;
    if (e.shiftKey) view.pan(-e.deltaY * lines, 0);
    else view.zoom(Math.exp(-clamp(e.deltaY * lines, -240, 240) * 0.0022), p.x, p.y);
  }, { passive: false });
}

function distance(fingers) {
  if (fingers.size < 2) return 0;
  const [a, b] = [...fingers.values()];
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function centre(fingers) {
  const [a, b] = [...fingers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

const KEYS = [
  ["← →", "one step back, one step on", { ArrowLeft: "previous", ArrowRight: "next" }],
  ["Home End", "start of forward, end of backward", { Home: "first", End: "last" }],
  ["B", "where backward begins", { b: "turning" }],
  ["Space", "play, pause", { " ": "play" }],
  ["↑ ↓", "choose an input, a consumer", { ArrowUp: "up", ArrowDown: "down" }],
  ["[ ]", "choose what stands beside", { "[": "left", "]": "right" }],
  ["Enter", "open or fold a group; details of an operation", { Enter: "enter" }],
  ["Backspace", "fold the group around", { Backspace: "foldAround" }],
  ["P", "light the paths to the output", { p: "paths" }],
  ["/", "search", { "/": "search" }],
  ["+ − F", "larger, smaller, everything", { "+": "larger", "=": "larger", "-": "smaller", f: "fit" }],
  ["O", "outline", { o: "outline" }],
  ["T", "light or dark", { t: "theme" }],
  ["Esc", "let go", { Escape: "release" }],
  ["?", "these keys", { "?": "help" }],
];

/* Keys work anywhere but in fields; those that a button or the outline needs itself are left to it. */
function listenToKeys(actions) {
  const table = Object.assign({}, ...KEYS.map((k) => k[2]));
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const on = e.target, field = on.matches("input, select, textarea");
    if (field && e.key !== "Escape") return;
    const action = table[e.key] || table[e.key.toLowerCase()];
    if (!action) return;
    const own = on.matches("button, summary, [role=treeitem]") || (on.closest("#details") && on.id !== "details");
    if (own && [" ", "Enter", "ArrowUp", "ArrowDown", "Home", "End", "ArrowLeft", "ArrowRight", "Backspace"].includes(e.key)) return;
    e.preventDefault();
    actions[action]();
  });
}
