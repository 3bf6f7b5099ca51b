/* Where we are: forward, operation by operation, then backward.  A moment is a count of operations, so it means the same
   whichever groups are open; the stops of the slider are the ends of what is visible. */

class Timeline {
  constructor(model, folding) {
    this.model = model;
    this.folding = folding;
    this.turn = model.forward.length;
    this.end = this.turn + model.backward.length;
    this.moment = this.end;
    this.refresh();
  }

  /* The stops, after what is visible has changed. */
  refresh() {
    this.spans = new Map();
    const forward = [], backward = [];
    const add = (order, base, side, stops) => {
      order.forEach((v, rank) => {
        const item = this.folding.shown[v];
        let span = this.spans.get(item);
        if (!span) this.spans.set(item, (span = { forward: 0, backward: 0 }));
        span[side] = base + rank + 1;
      });
      for (const [item, span] of this.spans) if (span[side]) stops.push({ moment: span[side], item, side });
      stops.sort((a, b) => a.moment - b.moment);
    };
    add(this.model.forward, 0, "forward", forward);
    add(this.model.backward, this.turn, "backward", backward);
    this.stops = [{ moment: 0, item: null, side: "forward" }, ...forward, ...backward];
  }

  /* The number of the last stop that has been reached. */
  get index() {
    let low = 0, high = this.stops.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.stops[middle].moment <= this.moment) low = middle; else high = middle - 1;
    }
    return low;
  }

  goTo(index) { this.moment = this.stops[clamp(index, 0, this.stops.length - 1)].moment; }

  get stop() { return this.stops[this.index]; }
  get atEnd() { return this.moment >= this.end; }
  get forwardStops() { return this.stops.filter((s) => s.side === "forward").length - 1; }

  /* Whether an item's value has been computed. */
  computed(item) {
    const span = this.spans.get(item);
    return !span || !span.forward || span.forward <= this.moment;
  }

  /* Whether backward has run an item. */
  passed(item) {
    const span = this.spans.get(item);
    return Boolean(span && span.backward && span.backward <= this.moment);
  }

  /* Whether the product of a link has been sent. */
  sent(link) {
    const rank = this.model.backwardRank[this.model.end[link]];
    return rank >= 0 && this.turn + rank + 1 <= this.moment;
  }

  /* The row of what has arrived at a vertex so far; -1 for nothing. */
  arrived(vertex) {
    const { model } = this;
    if (this.atEnd) return model.cotangentRow(vertex);
    if (model.roots.has(vertex) && this.moment >= this.turn) return model.cotangentRow(vertex);
    let row = -1, all = true;
    for (const link of model.outputs[vertex]) {
      if (model.data.links.product[link] < 0) continue;
      if (this.sent(link)) row = model.data.links.running[link]; else all = false;
    }
    return row >= 0 && all ? model.cotangentRow(vertex) : row;
  }

  /* The strongest gradient among an item's vertices, as far as it has arrived, and the worst mark. */
  strongest(item) {
    const { model } = this;
    if (!this.folding.isGroup(item)) {
      const row = this.arrived(item);
      return { size: model.magnitude(row), mark: model.mark(row), row };
    }
    let best = { size: null, mark: "", row: -1 }, worst = "";
    let alive = false, any = false;
    for (const v of this.folding.vertices(item)) {
      const row = this.arrived(v);
      if (row < 0) continue;
      any = true;
      const size = model.magnitude(row), mark = model.mark(row);
      if (mark !== "dead") alive = true;
      if (mark === "nan" || (mark === "exploding" && worst !== "nan")) worst = mark;
      if (best.size === null || !(size <= best.size)) best = { size, mark, row };
    }
    return { ...best, mark: worst || (any && !alive ? "dead" : "") };
  }
}
