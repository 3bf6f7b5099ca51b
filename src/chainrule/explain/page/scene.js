/* Paints the graph with a pen: frames of open groups, links, cards.  Knows what is current, chosen and lit. */

const NEAR = 0.5, MIDDLE = 0.24; // below these scales, cards lose their texts, and links their curves

const TEXT_LEFT = [18, 26, 18]; // within the card, by kind

class Scene {
  constructor(model, folding, timeline, colours) {
    Object.assign(this, { model, folding, timeline, colours, places: null, chosen: null, lit: null, hits: new Set(), colourBy: "gradient", tones: new Map() });
  }

  /* Light every path from a vertex to the outputs; null puts the lights out. */
  light(vertex) {
    if (vertex === null) { this.lit = null; return; }
    const { vertices, links } = this.model.paths(vertex);
    this.lit = { vertex, items: new Set([...vertices].map((v) => this.folding.shown[v])), links };
  }

  /* Draw what lies in the rectangle `view`, at a scale that decides on details. */
  paint(pen, scale, view) {
    const { places } = this;
    const inside = (b) => !view || (b.x + b.width / 2 > view.left && b.x - b.width / 2 < view.right && b.y + b.height / 2 > view.top && b.y - b.height / 2 < view.bottom);
    this.current = this.timeline.atEnd ? null : this.timeline.stop.item;
    for (const h of places.hulls) if (inside(h)) this.frame(pen, h, scale);
    this.links(pen, scale, view);
    for (const [item, box] of places.boxes) if (inside(box)) this.card(pen, item, box, scale);
  }

  frame(pen, h, scale) {
    const { theme } = this.colours;
    pen.rect(h.x - h.width / 2, h.y - h.height / 2, h.width, h.height, 12, { fill: theme.hull, stroke: theme.line, dash: [4, 3] });
    if (scale < MIDDLE) return;
    const g = this.model.groups[h.group];
    const size = scale < NEAR ? Math.min(16, 8 / scale) : 11;
    pen.text(`− ${g.name}${g.title ? " · " + g.title : ""}`, h.x - h.width / 2 + 10, h.y - h.height / 2 + 5 + size, { size, weight: 600, fill: theme.faint, most: h.width - 20 });
  }

  links(pen, scale, view) {
    const { theme } = this.colours;
    const { lines, labels } = this.places;
    const plain = [], sent = [], lit = [];
    const heads = new Map([[plain, []], [sent, []], [lit, []]]);
    this.folding.links.forEach((link, i) => {
      const points = lines[i];
      if (view && !touches(points, view)) return;
      const isLit = this.lit && link.links.some((k) => this.lit.links.has(k));
      const hasSent = link.links.some((k) => this.timeline.sent(k) && this.model.data.links.product[k] >= 0);
      const bundle = isLit ? lit : hasSent && !this.timeline.atEnd ? sent : plain;
      bundle.push(...(scale < MIDDLE ? straight(points) : curve(points)));
      if (scale >= NEAR) heads.get(bundle).push(...arrow(points));
    });
    const dimmed = this.lit ? mix(theme.paper, theme.edge, 0.45) : theme.edge;
    const stroke = (bundle, colour, line) => {
      if (bundle.length) pen.path(bundle, { stroke: colour, line: Math.max(line, 0.7 / scale) });
      if (heads.get(bundle).length) pen.path(heads.get(bundle), { fill: colour });
    };
    stroke(plain, dimmed, 1.3);
    stroke(sent, theme.accent, 1.8);
    stroke(lit, theme.path, 2.6);
    if (scale < NEAR) return;
    this.stubNames(pen, view);
    labels.forEach((label, i) => {
      if (!label) return;
      const now = this.current !== null && this.folding.links[i].end === this.current;
      const width = 6.4 * label.text.length + 12;
      pen.rect(label.x - width / 2, label.y - 8, width, 16, 8, { fill: now ? theme.accent : theme.paper });
      pen.text(label.text, label.x, label.y + 4, { size: 11, anchor: "middle", fill: now ? inkOn(theme.accent) : theme.faint });
    });
  }

  /* The names of the leaves whose lines are only hinted at, one text a card. */
  stubNames(pen, view) {
    const { theme } = this.colours, { lines, stubs, boxes } = this.places;
    const cards = new Map();
    this.folding.links.forEach((link, i) => {
      if (!stubs[i] || (view && !touches(lines[i], view))) return;
      const found = cards.get(link.end) || { names: [], lit: false, points: lines[i] };
      found.names.push(this.model.cardLabel(link.start));
      found.lit ||= Boolean(this.lit && link.links.some((k) => this.lit.links.has(k)));
      cards.set(link.end, found);
    });
    for (const [item, { names, lit, points: [p, tip] }] of cards) {
      const across = tip.x > p.x, style = { size: 10.5, weight: lit ? 700 : 500, fill: lit ? theme.path : theme.leaf };
      if (across) pen.text(names.join(", "), p.x - 3, p.y + 4, { ...style, anchor: "end", most: 90 });
      else pen.text(names.join(", "), p.x - 8, p.y - 3, { ...style, most: boxes.get(item).width + 20 });
    }
  }

  /* The state has changed: what cards look like is to be found out anew. */
  renew() { this.tones.clear(); }

  /* The colour that a card shows, its mark, and the row of its gradient. */
  tone(item) {
    let found = this.tones.get(item);
    if (!found) this.tones.set(item, (found = this.toneNow(item)));
    return found;
  }

  toneNow(item) {
    const { model, colours, timeline } = this;
    const strongest = timeline.strongest(item);
    if (this.colourBy === "operation") {
      const title = this.folding.isGroup(item) ? this.folding.label(item) : model.title(item);
      return { colour: colours.ofOperation(title), mark: strongest.mark, row: strongest.row };
    }
    if (this.colourBy === "value") {
      const size = this.folding.isGroup(item) || !timeline.computed(item) ? null : model.magnitude(model.valueRow(item));
      return { colour: size === null ? null : colours.ofMagnitude(size, "value"), mark: strongest.mark, row: strongest.row };
    }
    let colour = strongest.size === null ? null : colours.ofMagnitude(strongest.size, "gradient");
    if (MARKS[strongest.mark] && strongest.mark !== "vanishing") colour = colours.name(MARKS[strongest.mark]);
    return { colour, mark: strongest.mark, row: strongest.row };
  }

  card(pen, item, box, scale) {
    const { theme } = this.colours, { model, folding, timeline } = this;
    const group = folding.isGroup(item), kind = group ? OPERATION : model.kind[item];
    const { colour, mark, row } = this.tone(item);
    const x = box.x - box.width / 2, y = box.y - box.height / 2;
    const dim = this.lit && !this.lit.items.has(item);
    const radius = kind === OPERATION ? 9 : box.height / 2;
    const tint = colour ? mix(theme.card, colour, 0.2) : theme.card;
    let fill = scale < MIDDLE ? colour || theme.card : kind === LEAF ? mix(tint, theme.leaf, 0.1) : kind === DATA ? mix(theme.card, theme.data, 0.1) : tint;
    if (dim) fill = mix(theme.paper, fill, 0.45);
    const outline = kind === LEAF ? theme.leaf : kind === DATA ? theme.data : colour ? mix(theme.line, colour, 0.7) : theme.line;
    if (group && scale >= MIDDLE) {
      pen.rect(x + 6, y + 6, box.width, box.height, radius, { fill: theme.card, stroke: theme.line });
      pen.rect(x + 3, y + 3, box.width, box.height, radius, { fill: theme.card, stroke: theme.line });
    }
    if (item === this.current) pen.rect(x - 5, y - 5, box.width + 10, box.height + 10, radius + 5, { stroke: theme.accent, line: 3 });
    if (item === this.chosen) pen.rect(x - 3, y - 3, box.width + 6, box.height + 6, radius + 3, { stroke: theme.ink, line: Math.max(2, 2 / scale) });
    else if (this.hits.has(item)) pen.rect(x - 3, y - 3, box.width + 6, box.height + 6, radius + 3, { stroke: theme.hot, line: Math.max(2, 2 / scale), dash: [5, 3] });
    pen.rect(x, y, box.width, box.height, radius, { fill, stroke: dim ? mix(theme.paper, outline, 0.5) : outline, line: model.roots.has(item) ? 2.4 : 1.2 });
    if (colour && scale >= MIDDLE) {
      const bar = kind === OPERATION ? 10 : 14;
      pen.rect(x + (kind === OPERATION ? 6 : 12), y + bar, 4, box.height - 2 * bar, 2, { fill: dim ? mix(theme.paper, colour, 0.4) : colour });
    }
    if (scale >= NEAR) this.texts(pen, item, { x, y, width: box.width, height: box.height }, row, dim);
    else if (scale >= MIDDLE) this.largeTitle(pen, item, box, scale, dim);
    if (mark && scale >= MIDDLE) this.badge(pen, mark, x + box.width - 4, y);
  }

  texts(pen, item, box, row, dim) {
    const { theme } = this.colours, { model, folding, timeline } = this;
    const group = folding.isGroup(item), kind = group ? OPERATION : model.kind[item];
    const ink = dim ? theme.faint : theme.ink;
    const left = box.x + TEXT_LEFT[kind], most = box.width - TEXT_LEFT[kind] - 8;
    const computed = timeline.computed(item);
    const value = group ? folding.subtitle(folding.groupOf(item)) : computed ? brief(model.summary(model.valueRow(item))) : "";
    const gradient = row >= 0 ? "∂ " + brief(model.summary(row)) : "";
    const lines = kind === DATA ? [value] : [value, gradient];
    pen.text(folding.cardLabel(item), left, box.y + 19, { size: 12.5, weight: 650, fill: computed ? ink : theme.faint, most });
    pen.text(lines[0], left, box.y + 34, { size: 11.5, fill: dim ? theme.faint : mix(theme.faint, theme.ink, 0.45), most });
    if (lines[1]) pen.text(lines[1], left, box.y + 48, { size: 11.5, weight: 550, fill: dim ? theme.faint : theme.accent, most });
  }

  /* From afar a card bears its name alone, as large as it goes. */
  largeTitle(pen, item, box, scale, dim) {
    const { theme } = this.colours, left = box.x - box.width / 2 + 20, size = Math.min(26, 9 / scale);
    const { model } = this, group = this.folding.isGroup(item);
    const text = group ? this.folding.label(item) : model.kind[item] === OPERATION ? model.name(item) || model.title(item) : model.cardLabel(item);
    pen.text(text, left, box.y + size * 0.35, { size, weight: 600, fill: dim ? theme.faint : theme.ink, most: box.width - 28 });
  }

  badge(pen, mark, x, y) {
    const colour = this.colours.name(MARKS[mark]), sign = MARK_SIGNS[mark];
    const width = sign.length > 1 ? 32 : 20;
    pen.rect(x - width, y - 9, width, 18, 9, { fill: colour, stroke: this.colours.theme.paper, line: 1.5 });
    pen.text(sign, x - width / 2, y + 4, { size: 11, weight: 700, anchor: "middle", fill: inkOn(colour) });
  }
}

function touches(points, view) {
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
  for (const p of points) {
    left = Math.min(left, p.x); right = Math.max(right, p.x);
    top = Math.min(top, p.y); bottom = Math.max(bottom, p.y);
  }
  return right > view.left && left < view.right && bottom > view.top && top < view.bottom;
}

function straight(points) {
  const a = points[0], b = points[points.length - 1];
  return [["M", a.x, a.y], ["L", b.x, b.y]];
}

/* A smooth line through the middles between points, as quadratic pieces raised to cubics. */
function curve(points) {
  const commands = [["M", points[0].x, points[0].y]];
  if (points.length === 2) {
    const [a, b] = points, upright = Math.abs(b.y - a.y) >= Math.abs(b.x - a.x) * 0.3;
    const [x1, y1, x2, y2] = upright ? [a.x, (a.y + b.y) / 2, b.x, (a.y + b.y) / 2] : [(a.x + b.x) / 2, a.y, (a.x + b.x) / 2, b.y];
    commands.push(["C", x1, y1, x2, y2, b.x, b.y]);
    return commands;
  }
  let from = points[0];
  for (let i = 1; i < points.length - 1; i++) {
    const control = points[i], next = points[i + 1];
    const to = i === points.length - 2 ? next : { x: (control.x + next.x) / 2, y: (control.y + next.y) / 2 };
    const lean = (p) => [p.x + (control.x - p.x) * (2 / 3), p.y + (control.y - p.y) * (2 / 3)];
    commands.push(["C", ...lean(from), ...lean(to), to.x, to.y]);
    from = to;
  }
  return commands;
}

function arrow(points) {
  const tip = points[points.length - 1], before = points[points.length - 2];
  const angle = points.length === 2 && Math.abs(tip.y - before.y) >= Math.abs(tip.x - before.x) * 0.3
    ? (tip.y > before.y ? Math.PI / 2 : -Math.PI / 2)
    : points.length === 2 ? (tip.x > before.x ? 0 : Math.PI) : Math.atan2(tip.y - before.y, tip.x - before.x);
  const side = (turn) => [tip.x - 7 * Math.cos(angle + turn), tip.y - 7 * Math.sin(angle + turn)];
  return [["M", tip.x, tip.y], ["L", ...side(0.42)], ["L", ...side(-0.42)], ["Z"]];
}
