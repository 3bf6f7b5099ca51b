/* A layered layout that is fast: longest path, barycentres, and least squares within a layer.  For graphs that are too
   large for the library; it needs milliseconds where that takes minutes. */

/* nodes: [{id, width, height}], edges: [[from, to]] by index, no cycles.  Gives positions of centres and points of edges. */
function layeredLayout(nodes, edges, { nodeGap = 26, layerGap = 46 } = {}) {
  const count = nodes.length;
  const into = lists(count, edges.map((e) => e[1])), from = lists(count, edges.map((e) => e[0]));
  const layer = assignLayers(count, edges, into, from);
  const graph = withDummies(nodes, edges, layer);
  orderLayers(graph);
  return place(graph, nodes, edges, nodeGap, layerGap);
}

function assignLayers(count, edges, into, from) {
  const layer = new Int32Array(count), waiting = into.map((l) => l.length), queue = [];
  for (let i = 0; i < count; i++) if (!waiting[i]) queue.push(i);
  const order = [];
  for (let at = 0; at < queue.length; at++) {
    const i = queue[at];
    order.push(i);
    for (const e of from[i]) {
      const j = edges[e][1];
      layer[j] = Math.max(layer[j], layer[i] + 1);
      if (--waiting[j] === 0) queue.push(j);
    }
  }
  // What nothing holds up stands right before its first consumer.
  for (let at = order.length - 1; at >= 0; at--) {
    const i = order[at];
    if (into[i].length || !from[i].length) continue;
    layer[i] = Math.min(...from[i].map((e) => layer[edges[e][1]])) - 1;
  }
  let least = Infinity;
  for (const l of layer) least = Math.min(least, l);
  return layer.map((l) => l - least);
}

/* Cells: the nodes, then one cell for each layer that an edge passes, as long as these stay few. */
function withDummies(nodes, edges, layer) {
  const cellLayer = Array.from(layer), width = nodes.map((n) => n.width), chains = [];
  let span = 0;
  for (const [a, b] of edges) span += Math.max(0, layer[b] - layer[a] - 1);
  const detailed = span < 12000;
  const up = nodes.map(() => []), down = nodes.map(() => []);
  const join = (a, b) => { down[a].push(b); up[b].push(a); };
  for (const [a, b] of edges) {
    const chain = [a];
    if (detailed) {
      for (let l = layer[a] + 1; l < layer[b]; l++) {
        cellLayer.push(l);
        width.push(10);
        up.push([]);
        down.push([]);
        join(chain[chain.length - 1], cellLayer.length - 1);
        chain.push(cellLayer.length - 1);
      }
    }
    join(chain[chain.length - 1], b);
    chain.push(b);
    chains.push(chain);
  }
  const layers = [];
  cellLayer.forEach((l, cell) => { (layers[l] ||= []).push(cell); });
  for (let l = 0; l < layers.length; l++) layers[l] ||= [];
  return { layers, up, down, width, chains, cellLayer };
}

function orderLayers({ layers, up, down, cellLayer }) {
  const rank = new Float64Array(cellLayer.length);
  const renumber = (l) => l.forEach((cell, i) => { rank[cell] = i; });
  layers.forEach(renumber);
  const sweep = (l, neighbours) => {
    const wish = new Map(l.map((cell) => {
      const near = neighbours[cell];
      if (!near.length) return [cell, rank[cell]];
      let sum = 0;
      for (const other of near) sum += rank[other];
      return [cell, sum / near.length];
    }));
    l.sort((a, b) => wish.get(a) - wish.get(b) || rank[a] - rank[b]);
    renumber(l);
  };
  for (let round = 0; round < 6; round++) {
    for (let l = 1; l < layers.length; l++) sweep(layers[l], up);
    for (let l = layers.length - 2; l >= 0; l--) sweep(layers[l], down);
  }
}

function place({ layers, up, down, width, chains, cellLayer }, nodes, edges, nodeGap, layerGap) {
  const x = new Float64Array(cellLayer.length);
  const gap = (a, b) => (width[a] + width[b]) / 2 + nodeGap;
  for (const l of layers) {
    let at = 0;
    l.forEach((cell, i) => { if (i) at += gap(l[i - 1], cell); x[cell] = at; });
    const middle = at / 2;
    for (const cell of l) x[cell] -= middle;
  }
  const wishes = (l, neighbours) => l.map((cell) => {
    const near = neighbours[cell];
    if (!near.length) return x[cell];
    let sum = 0;
    for (const other of near) sum += x[other];
    return sum / near.length;
  });
  for (let round = 0; round < 8; round++) {
    const downwards = round % 2 === 0;
    for (let i = 0; i < layers.length; i++) {
      const l = layers[downwards ? i : layers.length - 1 - i];
      spread(l, wishes(l, downwards ? up : down), gap, x);
    }
  }
  const heights = layers.map((l) => Math.max(12, ...l.filter((c) => c < nodes.length).map((c) => nodes[c].height)));
  const y = [];
  let top = 0;
  heights.forEach((h, l) => { y[l] = top + h / 2; top += h + layerGap; });
  return {
    nodes: nodes.map((n, i) => ({ x: x[i], y: y[cellLayer[i]] })),
    edges: edges.map((e, k) => chains[k].map((cell) => ({ x: x[cell], y: y[cellLayer[cell]] }))),
  };
}

/* Put the cells of a layer as near to where they wish to be as their order and widths allow: least squares, by pooling
   neighbours that would overlap into blocks. */
function spread(l, wish, gap, x) {
  const blocks = [];
  let offset = 0;
  l.forEach((cell, i) => {
    if (i) offset += gap(l[i - 1], cell);
    let block = { from: i, sum: wish[i] - offset, count: 1 };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].count > block.sum / block.count) {
      const before = blocks.pop();
      block = { from: before.from, sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  });
  offset = 0;
  let b = 0;
  l.forEach((cell, i) => {
    if (i) offset += gap(l[i - 1], cell);
    while (b + 1 < blocks.length && blocks[b + 1].from <= i) b++;
    x[cell] = blocks[b].sum / blocks[b].count + offset;
  });
}
