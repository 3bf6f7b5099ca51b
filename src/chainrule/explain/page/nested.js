/* Open groups as frames around what they hold.  Each frame is laid out by itself, by the library, and is one node where
   it stands.  A link that crosses frames enters and leaves them at ports on their borders, one port for each source.

   Everything is computed downwards; a picture that goes sideways is turned at the end. */

const TITLE = 26, INSIDE = 12; // room in a frame: for its title, and on the other sides

function nestedLayout(folding, items, links, sizes, sideways, edgeLabel) {
  const frames = new Frames(folding, sideways);
  items.forEach((item, i) => frames.add(item, sizes[i]));
  const routes = links.map((k) => frames.route(k, edgeLabel(k)));
  frames.layOut(-1);
  frames.putAt(-1, 0, 0);
  const turn = (p) => (sideways ? { x: p.y, y: p.x } : p);
  const boxes = new Map(items.map((item, i) => [item, { ...turn(frames.centre(item)), ...sizes[i] }]));
  const outerFirst = frames.all.filter((f) => f.group >= 0 && f.width).sort((a, b) => a.group - b.group);
  const hulls = outerFirst.map((f) => {
    const size = sideways ? { width: f.height, height: f.width } : { width: f.width, height: f.height };
    return { group: f.group, ...turn({ x: f.left + f.width / 2, y: f.top + f.height / 2 }), ...size };
  });
  return {
    boxes, hulls,
    lines: routes.map((r) => frames.line(r).map(turn)),
    labels: routes.map((r) => (r.text && r.main.label ? { text: r.text, ...turn(frames.place(r.main.frame, r.main.label)) } : null)),
  };
}

class Frames {
  constructor(folding, sideways) {
    Object.assign(this, { folding, sideways, all: [], known: new Map() });
    this.room = sideways ? { before: 16, after: INSIDE, low: TITLE, high: INSIDE } : { before: TITLE, after: INSIDE, low: INSIDE, high: INSIDE };
    this.frame(-1);
  }

  /* The frame of a group (-1: the whole picture), known from now on to those around it. */
  frame(group) {
    let found = this.known.get(group);
    if (!found) {
      found = { group, nodes: new Map(), edges: new Map(), width: 0, height: 0 };
      this.known.set(group, found);
      this.all.push(found);
      if (group >= 0) this.frame(this.around(this.folding.model.groups[group].parent)).nodes.set(`g${group}`, { group });
    }
    return found;
  }

  /* The innermost group from `group` outwards that has a frame: parts of long lists have none. */
  around(group) {
    const { groups } = this.folding.model;
    while (group >= 0 && groups[group].kind === "part") group = groups[group].parent;
    return group;
  }

  add(item, { width, height }) {
    const owner = this.frame(this.around(this.folding.parentOf(item)));
    owner.nodes.set(`n${item}`, this.sideways ? { width: height, height: width } : { width, height });
  }

  /* The frames around an item, from the outside. */
  chain(item) {
    const found = [];
    for (let g = this.around(this.folding.parentOf(item)); g >= 0; g = this.around(this.folding.model.groups[g].parent)) found.unshift(g);
    return found;
  }

  /* Cut a link into edges within frames: out of those around its start, across, into those around its end. */
  route({ start, end }, text) {
    const a = this.chain(start), b = this.chain(end);
    let common = 0;
    while (common < Math.min(a.length, b.length) && a[common] === b[common]) common++;
    const from = (d) => (d < a.length ? `g${a[d]}` : `n${start}`), to = (d) => (d < b.length ? `g${b[d]}` : `n${end}`);
    const outs = [], ins = [];
    for (let d = a.length - 1; d >= common; d--) outs.push(this.edge(a[d], from(d + 1), `x${start}`, start));
    const main = this.edge(common ? a[common - 1] : -1, from(common), to(common), start, text);
    for (let d = common; d < b.length; d++) ins.push(this.edge(b[d], `e${start}`, to(d + 1), start));
    return { source: start, outs, main, ins, text };
  }

  edge(group, from, to, source, text = "") {
    const frame = this.frame(group), key = `${from} ${to} ${source}`;
    let found = frame.edges.get(key);
    if (!found) {
      found = { frame, from, to, source, text };
      frame.edges.set(key, found);
      for (const port of [from, to]) if ("ex".includes(port[0]) && !frame.nodes.has(port)) frame.nodes.set(port, { width: 2, height: 2, port: true });
    }
    return found;
  }

  /* Place what a frame holds, after the frames in it. */
  layOut(group) {
    const frame = this.known.get(group), graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 40, edgesep: 14 });
    for (const [key, node] of frame.nodes) {
      if (node.group !== undefined) {
        const inner = this.layOut(node.group);
        Object.assign(node, { width: inner.width, height: inner.height });
      }
      graph.setNode(key, { width: node.width, height: node.height });
    }
    for (const [key, e] of frame.edges) {
      const wide = 7 * e.text.length + 10;
      const label = e.text ? { width: this.sideways ? 16 : wide, height: this.sideways ? wide : 16, labelpos: "c" } : {};
      graph.setEdge(e.from, e.to, { weight: e.from[0] === "n" && this.isLeaf(e.from) ? 1 : 3, ...label }, key);
    }
    this.pinPorts(graph, frame);
    dagre.layout(graph);
    this.measure(graph, frame);
    return frame;
  }

  isLeaf(key) {
    const item = Number(key.slice(1));
    return !this.folding.isGroup(item) && this.folding.model.kind[item] !== OPERATION;
  }

  /* Ports of entry belong above everything, those of exit below. */
  pinPorts(graph, frame) {
    const keys = [...frame.nodes.keys()];
    if (keys.some((k) => k[0] === "e")) {
      graph.setNode("top", { width: 0, height: 0 });
      for (const k of keys) if (k[0] === "e" || !graph.predecessors(k).length) graph.setEdge("top", k, { weight: k[0] === "e" ? 50 : 0 }, "pin");
    }
    if (keys.some((k) => k[0] === "x")) {
      graph.setNode("bottom", { width: 0, height: 0 });
      for (const k of keys) if (k[0] === "x" || !graph.successors(k).length) graph.setEdge(k, "bottom", { weight: k[0] === "x" ? 50 : 0 }, "pin");
    }
  }

  /* Take over what the library found, moved so that the frame's corner is at 0, 0. */
  measure(graph, frame) {
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (const [key, node] of frame.nodes) {
      const { x, y } = graph.node(key);
      Object.assign(node, { x, y });
      left = Math.min(left, x - node.width / 2);
      right = Math.max(right, x + node.width / 2);
      if (node.port) continue;
      top = Math.min(top, y - node.height / 2);
      bottom = Math.max(bottom, y + node.height / 2);
    }
    const { low, high, before, after } = this.room, move = (p) => ({ x: p.x - left + low, y: p.y - top + before });
    for (const node of frame.nodes.values()) Object.assign(node, move(node));
    frame.width = right - left + low + high;
    frame.height = bottom - top + before + after;
    for (const [key, e] of frame.edges) {
      const found = graph.edge(e.from, e.to, key);
      e.points = found.points.map(move);
      if (e.text && found.x !== undefined) e.label = move(found);
    }
  }

  putAt(group, left, top) {
    const frame = this.known.get(group);
    Object.assign(frame, { left, top });
    for (const node of frame.nodes.values()) {
      if (node.group !== undefined) this.putAt(node.group, left + node.x - node.width / 2, top + node.y - node.height / 2);
    }
  }

  /* A point of a frame, in the picture. */
  place(frame, p) { return { x: frame.left + p.x, y: frame.top + p.y }; }

  centre(item) {
    const frame = this.known.get(this.around(this.folding.parentOf(item)));
    return this.place(frame, frame.nodes.get(`n${item}`));
  }

  /* Where the source's links pass the border of a frame. */
  port(group, side, source) {
    const frame = this.known.get(group), node = frame.nodes.get(side + source);
    return { x: frame.left + node.x, y: side === "e" ? frame.top : frame.top + frame.height };
  }

  line({ source, outs, main, ins }) {
    const points = [];
    for (const edge of [...outs, main, ...ins]) {
      const { frame } = edge, inside = edge.points.map((p) => this.place(frame, p));
      const kept = frame.group < 0 ? inside : inside.filter((p) => p.y > frame.top && p.y < frame.top + frame.height);
      const first = this.end(edge.from, frame, "x", source), last = this.end(edge.to, frame, "e", source);
      points.push(...(first ? [first, ...kept.slice(edge.from[0] === "g" ? 1 : 0)] : kept));
      if (last) {
        if (edge.to[0] === "g") points.pop();
        points.push(last);
      }
    }
    return points.filter((p, i) => !i || Math.abs(p.x - points[i - 1].x) + Math.abs(p.y - points[i - 1].y) > 0.5);
  }

  /* The port at an end of an edge: of the frame itself, or of a frame inside; null at a card. */
  end(key, frame, side, source) {
    if (key[0] === "g") return this.port(Number(key.slice(1)), side, source);
    return key[0] === "n" ? null : this.port(frame.group, key[0], source);
  }
}
