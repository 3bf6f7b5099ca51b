/* Which groups are open, and the graph that is visible then.  Items are vertices (by number) and groups (after the vertices). */

const MOST_VISIBLE = 2000, FIRST_VISIBLE = 45;

class Folding {
  constructor(model) {
    this.model = model;
    const n = model.count, groups = model.groups;
    this.open = new Uint8Array(groups.length);
    this.childGroups = groups.map(() => []);
    this.topGroups = [];
    groups.forEach((g, i) => (g.parent >= 0 ? this.childGroups[g.parent] : this.topGroups).push(i));
    this.childVertices = groups.map(() => []);
    this.topVertices = [];
    model.data.vertices.group.forEach((g, i) => (g >= 0 ? this.childVertices[g] : this.topVertices).push(i));
    this.first = new Int32Array(groups.length).fill(n);
    this.operations = new Int32Array(groups.length);
    for (let g = groups.length - 1; g >= 0; g--) {
      for (const v of this.childVertices[g]) {
        if (model.kind[v] !== OPERATION) continue;
        this.first[g] = Math.min(this.first[g], v);
        this.operations[g]++;
      }
      const parent = groups[g].parent;
      if (parent >= 0) {
        this.first[parent] = Math.min(this.first[parent], this.first[g]);
        this.operations[parent] += this.operations[g];
      }
    }
    this.openWhileRoom();
    this.refresh();
  }

  isGroup(item) { return item >= this.model.count; }
  groupOf(item) { return item - this.model.count; }
  itemOf(group) { return group + this.model.count; }
  position(item) { return this.isGroup(item) ? this.first[this.groupOf(item)] : item; }

  size(group) { return this.childGroups[group].length + this.childVertices[group].length; }

  /* Open groups level by level from the outside; a level that has no room stays folded as a whole. */
  openWhileRoom(limit = FIRST_VISIBLE) {
    let visible = this.topGroups.length + this.topVertices.length;
    for (let level = this.topGroups; level.length; level = level.flatMap((g) => this.childGroups[g])) {
      for (const g of level) visible += this.size(g) - 1;
      if (visible > limit) return;
      for (const g of level) this.open[g] = 1;
    }
  }

  set(group, open) {
    this.open[group] = open ? 1 : 0;
    this.refresh();
  }

  setAll(open) {
    this.open.fill(0);
    if (open) {
      let visible = this.topGroups.length + this.topVertices.length;
      const queue = [...this.topGroups];
      for (let at = 0; at < queue.length; at++) {
        const g = queue[at];
        if (visible + this.size(g) - 1 > MOST_VISIBLE) continue;
        visible += this.size(g) - 1;
        this.open[g] = 1;
        queue.push(...this.childGroups[g]);
      }
    }
    this.refresh();
  }

  /* Open all groups around an item. */
  reveal(item) {
    let g = this.isGroup(item) ? this.model.groups[this.groupOf(item)].parent : this.model.data.vertices.group[item];
    for (; g >= 0; g = this.model.groups[g].parent) this.open[g] = 1;
    this.refresh();
  }

  refresh() {
    const { model } = this;
    const shown = new Int32Array(model.groups.length); // the closed group that stands for it, or -1
    const openGroups = [];
    model.groups.forEach((g, i) => {
      const above = g.parent >= 0 ? shown[g.parent] : -1;
      shown[i] = above >= 0 ? above : this.open[i] ? -1 : this.itemOf(i);
      if (shown[i] < 0) openGroups.push(i);
    });
    this.shownGroup = shown;
    this.openGroups = openGroups;
    const groupOf = model.data.vertices.group;
    this.shown = new Int32Array(model.count);
    const items = new Set();
    for (let v = 0; v < model.count; v++) {
      const g = groupOf[v];
      const item = g >= 0 && shown[g] >= 0 ? shown[g] : v;
      this.shown[v] = item;
      items.add(item);
    }
    this.items = [...items].sort((a, b) => this.position(a) - this.position(b));
    this.links = [];
    const known = new Map();
    const width = model.count + model.groups.length;
    for (let k = 0; k < model.start.length; k++) {
      const a = this.shown[model.start[k]], b = this.shown[model.end[k]];
      if (a === b) continue;
      const key = a * width + b;
      let link = known.get(key);
      if (!link) {
        link = { start: a, end: b, links: [] };
        known.set(key, link);
        this.links.push(link);
      }
      link.links.push(k);
    }
    this.into = new Map(this.items.map((i) => [i, []]));
    this.from = new Map(this.items.map((i) => [i, []]));
    for (const link of this.links) {
      this.into.get(link.end).push(link);
      this.from.get(link.start).push(link);
    }
  }

  parentOf(item) {
    return this.isGroup(item) ? this.model.groups[this.groupOf(item)].parent : this.model.data.vertices.group[item];
  }

  /* What a group holds, in the order of the program; -1 for the whole. */
  children(group) {
    const groups = group < 0 ? this.topGroups : this.childGroups[group];
    const vertices = group < 0 ? this.topVertices : this.childVertices[group];
    return [...groups.map((g) => this.itemOf(g)), ...vertices].sort((a, b) => this.position(a) - this.position(b));
  }

  /* Visit the vertices of an item. */
  *vertices(item) {
    if (!this.isGroup(item)) { yield item; return; }
    const stack = [this.groupOf(item)];
    while (stack.length) {
      const g = stack.pop();
      yield* this.childVertices[g];
      stack.push(...this.childGroups[g]);
    }
  }

  label(item) {
    if (!this.isGroup(item)) return this.model.label(item);
    const g = this.model.groups[this.groupOf(item)];
    return g.name;
  }

  cardLabel(item) { return this.isGroup(item) ? `+ ${this.label(item)}` : this.model.cardLabel(item); }

  /* The second line of a folded group. */
  subtitle(group) {
    const g = this.model.groups[group];
    const n = this.operations[group], count = `${n.toLocaleString("en")} ${n === 1 ? "op" : "ops"}`;
    return g.title ? `${g.title} · ${count}` : count;
  }
}
