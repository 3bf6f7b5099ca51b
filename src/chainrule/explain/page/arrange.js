/* Where everything stands: the library's layout for graphs of ordinary size, our own for large ones. */

const LIBRARY_UP_TO = 260; // visible items that the library lays out in a fraction of a second
const MOST_LINES = 5; // from one leaf
const NODE_HEIGHT = 56, LEAF_HEIGHT = 46;

/* Sizes, before anything is placed.  `measure(text, bold)` gives a width in pixels. */
function nodeSize(folding, item, measure) {
  const { model } = folding;
  if (folding.isGroup(item)) {
    const g = folding.groupOf(item);
    const width = Math.max(measure(folding.cardLabel(item), true), measure(folding.subtitle(g), false)) + 34;
    return { width: clamp(width, 110, 250), height: NODE_HEIGHT };
  }
  const lines = [model.cardLabel(item), brief(model.summary(model.valueRow(item))), "∂ " + brief(model.summary(model.cotangentRow(item)))];
  const widths = lines.map((text, i) => measure(text, i === 0) + TEXT_LEFT[model.kind[item]] + 14);
  return { width: clamp(Math.max(...widths), 84, 250), height: model.kind[item] === DATA ? LEAF_HEIGHT : NODE_HEIGHT };
}

/* Places for the visible graph: {boxes: Map(item -> {x, y, width, height}), edges: [points], hulls: [{group, …}], width, height}. */
function arrange(folding, measure, sideways, edgeLabel) {
  const items = folding.items;
  const sizes = items.map((item) => nodeSize(folding, item, measure));
  const flat = items.length > LIBRARY_UP_TO;
  const stubs = stubsOf(folding);
  const links = folding.links.filter((k) => !stubs.has(k));
  const found = flat ? arrangeOurselves(items, links, sizes, sideways) : nestedLayout(folding, items, links, sizes, sideways, edgeLabel);
  return normalised(folding, found, links, stubs, sideways);
}

/* A leaf that many use would span the picture with lines and bend it: only its first consumer stays linked, the others
   bear its name. */
function stubsOf(folding) {
  const { model } = folding, stubs = new Set();
  for (const [item, links] of folding.from) {
    if (links.length <= MOST_LINES || folding.isGroup(item) || model.kind[item] === OPERATION) continue;
    const ordered = [...links].sort((a, b) => folding.position(a.end) - folding.position(b.end));
    for (const link of ordered.slice(1)) stubs.add(link);
  }
  return stubs;
}

function arrangeOurselves(items, links, sizes, sideways) {
  const index = new Map(items.map((item, i) => [item, i]));
  const edges = links.map((k) => [index.get(k.start), index.get(k.end)]);
  const nodes = sizes.map((s) => (sideways ? { width: s.height, height: s.width } : s));
  const found = layeredLayout(nodes, edges);
  const turn = (p) => (sideways ? { x: p.y, y: p.x } : p);
  const boxes = new Map(items.map((item, i) => [item, { ...turn(found.nodes[i]), ...sizes[i] }]));
  const lines = found.edges.map((points, k) => {
    const turned = points.map(turn), a = boxes.get(links[k].start), b = boxes.get(links[k].end);
    if (sideways) {
      turned[0] = { x: a.x + a.width / 2, y: a.y };
      turned[turned.length - 1] = { x: b.x - b.width / 2, y: b.y };
    } else {
      turned[0] = { x: a.x, y: a.y + a.height / 2 };
      turned[turned.length - 1] = { x: b.x, y: b.y - b.height / 2 };
    }
    return turned;
  });
  return { boxes, lines, hulls: [], labels: [] };
}

/* Move everything so that it begins at 0, 0, and give every visible link of the folding its line. */
function normalised(folding, { boxes, lines, hulls, labels }, links, stubs, sideways) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const b of [...boxes.values(), ...hulls]) {
    left = Math.min(left, b.x - b.width / 2);
    right = Math.max(right, b.x + b.width / 2);
    top = Math.min(top, b.y - b.height / 2);
    bottom = Math.max(bottom, b.y + b.height / 2);
  }
  const move = (p) => ({ ...p, x: p.x - left, y: p.y - top });
  const placed = new Map([...boxes].map(([item, b]) => [item, move(b)]));
  const laid = new Map(links.map((k, i) => [k, { points: lines[i].map(move), label: labels[i] ? move(labels[i]) : null }]));
  for (const k of stubs) laid.set(k, { points: stub(placed.get(k.end), sideways), label: null, stub: true });
  return {
    boxes: placed, hulls: hulls.map(move), width: right - left, height: bottom - top,
    lines: folding.links.map((k) => laid.get(k).points),
    labels: folding.links.map((k) => laid.get(k).label),
    stubs: folding.links.map((k) => Boolean(laid.get(k).stub)),
  };
}

/* A short arrow onto a card. */
function stub(box, sideways) {
  const back = 15;
  if (sideways) {
    const y = box.y - box.height / 2 + 12;
    return [{ x: box.x - box.width / 2 - back, y }, { x: box.x - box.width / 2, y }];
  }
  const x = box.x - box.width / 2 + 16;
  return [{ x, y: box.y - box.height / 2 - back }, { x, y: box.y - box.height / 2 }];
}

function clamp(x, low, high) { return Math.min(high, Math.max(low, x)); }
