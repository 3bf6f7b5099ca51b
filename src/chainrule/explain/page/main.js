/* Puts the parts together. */

const NARROW = matchMedia("(max-width: 760px)"); // as in the style sheet
const byId = (id) => document.getElementById(id);

async function start() {
  const model = new Model(await unpackGraph(byId("graph-data").textContent.trim()));
  const page = new Page(model);
  window.explorer = page; // for whoever wants to script the page
  document.documentElement.dataset.ready = "yes";
}

class Page {
  constructor(model) {
    this.model = model;
    this.setTheme(storedTheme());
    this.folding = new Folding(model);
    this.timeline = new Timeline(model, this.folding);
    this.colours = new Colours(model);
    this.scene = new Scene(model, this.folding, this.timeline, this.colours);
    const pencil = document.createElement("canvas").getContext("2d");
    this.measure = (text, bold) => {
      pencil.font = bold ? `650 12.5px ${FONT}` : `550 11.5px ${FONT}`;
      return pencil.measureText(text).width;
    };
    this.view = new View(byId("graph"), this.scene);
    const choose = (item, show) => this.choose(item, show), toggle = (item) => this.toggle(item);
    this.details = new Details(byId("details"), model, this.folding, this.timeline, { choose, toggle, paths: (v) => this.paths(v) });
    this.outline = new Outline(byId("outline"), model, this.folding, {
      toggle,
      choose: (item, show) => { if (NARROW.matches) this.actions.outline(); this.choose(item, show); }, // it lies over the graph there
    });
    this.chosen = null;
    this.words();
    this.listen();
    this.view.resize();
    this.arrange();
    this.view.home();
    this.update();
  }

  words() {
    const { data } = this.model;
    byId("title").textContent = data.title;
    const root = data.roots[0], count = this.model.forward.length;
    byId("graph").setAttribute("aria-label", `Graph of ${this.model.label(root)}, ${count} operations`);
    byId("notice").textContent = data.notice;
    byId("notice").hidden = !data.notice;
    byId("help").replaceChildren(make("h2", {}, "Keys"), rows(KEYS.map(([keys, text]) => [keys, text])), make("p", {}, make("button", { type: "button", onclick: () => this.actions.help() }, "Close")));
  }

  /* -- layout ----------------------------------------------------------------------------------------------------- */

  arrange() {
    const label = (link) => this.edgeLabel(link);
    const begin = performance.now();
    const lay = (sideways) => arrange(this.folding, this.measure, sideways, label);
    if (this.sideways === undefined) {
      const room = this.view.width / Math.max(1, this.view.height);
      const upright = lay(false);
      const fits = (p) => Math.min(this.view.width / p.width, this.view.height / p.height);
      if (this.folding.items.length > LIBRARY_UP_TO || room < 1) { this.sideways = false; this.scene.places = upright; }
      else {
        const across = lay(true);
        this.sideways = fits(across) > 1.15 * fits(upright);
        this.scene.places = this.sideways ? across : upright;
      }
    } else this.scene.places = lay(this.sideways);
    this.layoutTime = performance.now() - begin;
  }

  /* The local derivative on a link, where it is one number and the graph is small. */
  edgeLabel(link) {
    if (this.folding.items.length > 60 || link.links.length !== 1) return "";
    const row = this.model.data.links.local[link.links[0]];
    const summary = this.model.summary(row ?? -1);
    return summary && summary.size === 1 ? "×" + short(summary.element, 3) : "";
  }

  /* After groups have opened or folded: everything moves, but what one looks at stays where it is. */
  refold(anchor) {
    const before = anchor === undefined ? null : this.scene.places.boxes.get(anchor);
    const from = before && this.view.toScreen(before.x, before.y);
    this.timeline.refresh();
    if (this.scene.lit) this.scene.light(this.scene.lit.vertex);
    this.arrange();
    if (this.chosen !== null && !this.scene.places.boxes.has(this.chosen)) {
      const visible = this.folding.isGroup(this.chosen) ? this.folding.shownGroup[this.folding.groupOf(this.chosen)] : this.folding.shown[this.chosen];
      if (visible >= 0) this.scene.chosen = this.chosen = visible;
    }
    const now = anchor === undefined ? null : this.anchorBox(anchor);
    if (from && now) {
      this.view.camera.x = from.x - now.x * this.view.camera.scale;
      this.view.camera.y = from.y - now.y * this.view.camera.scale;
    }
    this.outline.build();
    this.search(byId("query").value, false);
    this.update();
  }

  anchorBox(item) {
    const { boxes } = this.scene.places;
    if (boxes.has(item)) return boxes.get(item);
    for (const v of this.folding.vertices(item)) {
      const box = boxes.get(this.folding.shown[v]);
      if (box) return box;
    }
    return null;
  }

  toggle(item) {
    if (!this.folding.isGroup(item)) return;
    const g = this.folding.groupOf(item), opening = !this.folding.open[g];
    if (opening && this.folding.items.length + this.folding.size(g) > 2 * MOST_VISIBLE) {
      this.say("Too much is open already; fold another group first.");
      return;
    }
    if (opening && this.folding.parentOf(item) >= 0 && this.folding.shownGroup[this.folding.parentOf(item)] >= 0) this.folding.reveal(item);
    this.folding.set(g, opening);
    this.chosen = this.scene.chosen = item;
    this.refold(item);
    this.say(`${this.folding.label(item)} ${opening ? "opened" : "folded"}.`);
  }

  /* -- choosing ------------------------------------------------------------------------------------------------------- */

  choose(item, show = false) {
    if (item !== null && show && !this.folding.isGroup(item) && this.folding.shown[item] !== item) {
      this.folding.reveal(item);
      this.chosen = this.scene.chosen = item;
      this.refold();
    }
    this.chosen = this.scene.chosen = item;
    const leaf = item !== null && !this.folding.isGroup(item) && this.model.kind[item] !== OPERATION;
    this.scene.light(leaf ? item : null);
    if (item !== null && show) this.view.show(item);
    this.outline.choose(item);
    this.update();
    this.say(item === null ? "" : this.describe(item));
  }

  paths(vertex) {
    this.scene.light(vertex);
    this.update();
    this.say(`${this.scene.lit.items.size} items lie on paths from ${this.model.label(vertex)} to the output.`);
  }

  /* What a screen reader hears of an item. */
  describe(item) {
    const { model, folding, timeline } = this;
    if (folding.isGroup(item)) return `Group ${folding.label(item)}, ${folding.subtitle(folding.groupOf(item))}, ${folding.open[folding.groupOf(item)] ? "open" : "folded"}.`;
    const kind = ["operation", "leaf", "data"][model.kind[item]], row = timeline.arrived(item);
    const parts = [`${model.label(item)}, ${kind}`];
    const value = brief(model.summary(model.valueRow(item)));
    if (value) parts.push(`value ${value}`);
    if (row >= 0) parts.push(`gradient ${brief(model.summary(row))}`);
    const mark = model.mark(row);
    if (mark) parts.push(MARK_WORDS[mark]);
    const from = (folding.into.get(item) || []).length, to = (folding.from.get(item) || []).length;
    parts.push(`${from} in, ${to} out`);
    return parts.join(", ") + ".";
  }

  say(text) { byId("live").textContent = text; }

  /* Go along the graph from what is chosen. */
  walk(direction) {
    const { folding, scene } = this;
    if (this.chosen === null || !scene.places.boxes.has(this.chosen)) {
      this.choose(this.timeline.stop.item ?? folding.shown[[...this.model.roots][0]], true);
      return;
    }
    if (direction === "up" || direction === "down") {
      const links = direction === "up" ? folding.into.get(this.chosen) : folding.from.get(this.chosen);
      const ends = links.map((k) => (direction === "up" ? k.start : k.end));
      // The main stream first: operations before leaves.
      const next = ends.find((i) => folding.isGroup(i) || this.model.kind[i] === OPERATION) ?? ends[0];
      if (next !== undefined) this.choose(next, true);
      return;
    }
    const siblings = this.siblings(), at = siblings.indexOf(this.chosen), next = siblings[at + (direction === "left" ? -1 : 1)];
    if (next !== undefined) this.choose(next, true);
  }

  /* What feeds the same consumers, by place; all items where that is nothing else. */
  siblings() {
    const { folding } = this, across = this.sideways ? "y" : "x";
    const consumers = folding.from.get(this.chosen).map((k) => k.end);
    let found = new Set(consumers.flatMap((c) => folding.into.get(c).map((k) => k.start)));
    if (found.size < 2) found = new Set(folding.into.get(this.chosen).flatMap((k) => folding.from.get(k.start).map((l) => l.end)));
    if (found.size < 2) found = new Set(folding.items);
    const box = (i) => this.scene.places.boxes.get(i);
    return [...found].sort((a, b) => box(a)[across] - box(b)[across]);
  }

  /* -- search -------------------------------------------------------------------------------------------------------------- */

  /* Find vertices and groups by name; the hits are marked, and the first is shown when asked. */
  search(text, show) {
    const query = text.trim().toLowerCase();
    this.found = [];
    this.scene.hits = new Set();
    if (query) {
      const { model, folding } = this;
      for (let i = 0; i < model.count; i++) {
        const where = `${model.label(i)} ${model.text("node", i)} ${model.text("scope", i)} ${model.text("line", i)}`;
        if (where.toLowerCase().includes(query)) this.found.push(i);
      }
      model.groups.forEach((g, i) => { if (`${g.name} ${g.title}`.toLowerCase().includes(query)) this.found.push(folding.itemOf(i)); });
      for (const item of this.found) {
        const visible = folding.isGroup(item) ? folding.shownGroup[folding.groupOf(item)] : folding.shown[item];
        if (visible >= 0) this.scene.hits.add(visible);
      }
    }
    byId("hits").textContent = query ? `${this.found.length} found` : "";
    if (show && this.found.length) {
      this.hit = ((this.hit ?? -1) + show + this.found.length) % this.found.length;
      this.choose(this.found[this.hit], true);
      byId("hits").textContent = `${this.hit + 1} of ${this.found.length}`;
    }
    this.view.refresh();
  }

  /* -- steps ---------------------------------------------------------------------------------------------------------------- */

  goTo(index) {
    this.timeline.goTo(index);
    const item = this.timeline.stop.item;
    if (item !== null && !this.timeline.atEnd) this.view.show(item);
    this.update();
    this.say(byId("status").textContent);
  }

  play() {
    if (this.playing) { clearInterval(this.playing); this.playing = null; this.playButton(); return; }
    if (this.timeline.atEnd) this.goTo(0);
    const pace = clamp(20000 / this.timeline.stops.length, 60, 900);
    this.playing = setInterval(() => {
      if (this.timeline.atEnd) this.play(); else this.goTo(this.timeline.index + 1);
    }, pace);
    this.playButton();
  }

  playButton() {
    byId("play").dataset.playing = this.playing ? "yes" : "no";
    byId("play").setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  status() {
    const { timeline, model } = this, stop = timeline.stop, at = timeline.index, forward = timeline.forwardStops;
    if (at === 0) return "Nothing is computed yet.";
    const label = this.folding.label(stop.item);
    if (stop.side === "forward") return `Forward ${at} of ${forward}: ${label}` + (this.folding.isGroup(stop.item) ? "" : valueText(model, stop.item));
    const k = at - forward, all = timeline.stops.length - 1 - forward;
    if (this.folding.isGroup(stop.item)) return `Backward ${k} of ${all}: ${label}`;
    const sent = model.inputs[stop.item].filter((l) => model.data.links.product[l] >= 0).map((l) => `${model.name(model.start[l]) || model.text("symbol", model.start[l]) || model.title(model.start[l])}: ${brief(model.summary(model.data.links.product[l]))}`);
    const more = sent.length > 4 ? `, and ${sent.length - 4} more` : "";
    return `Backward ${k} of ${all}: ${label}, cotangent ${brief(model.summary(model.cotangentRow(stop.item)))} → ${sent.slice(0, 4).join(", ")}${more}`;
  }

  /* Show the state. */
  update() {
    const { timeline } = this, slider = byId("slider"), forward = timeline.forwardStops;
    slider.max = timeline.stops.length - 1;
    slider.value = timeline.index;
    const text = this.status();
    slider.setAttribute("aria-valuetext", text);
    byId("status").textContent = text;
    byId("phases").style.setProperty("--share", `${(100 * forward) / Math.max(1, timeline.stops.length - 1)}%`);
    byId("phases").dataset.backward = timeline.stops.length - 1 > forward ? "yes" : "no";
    this.details.show(this.chosen ?? (timeline.atEnd ? null : timeline.stop.item));
    this.legend();
    this.scene.renew();
    this.view.refresh();
  }

  legend() {
    const { colours, scene } = this, parts = [];
    if (scene.colourBy !== "operation") {
      const { low, high } = colours.range[scene.colourBy];
      const bar = make("span", { class: "scale", "aria-hidden": "true" });
      bar.style.background = `linear-gradient(90deg, ${colours.scale.join(", ")})`;
      parts.push(make("span", {}, `${scene.colourBy} ${short(10 ** low, 2)}`), bar, make("span", {}, short(10 ** high, 2)));
    }
    const marks = new Set();
    for (let i = 0; i < this.model.count; i++) marks.add(this.model.mark(this.model.cotangentRow(i)));
    for (const mark of Object.keys(MARKS)) if (marks.has(mark)) parts.push(make("span", { class: `mark ${mark}` }, make("span", { class: "sign" }, MARK_SIGNS[mark]), ` ${mark === "nan" ? "NaN, ∞" : mark}`));
    byId("legend").replaceChildren(...parts);
  }

  /* -- theme ------------------------------------------------------------------------------------------------------------------ */

  setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("chainrule-theme", theme); } catch { /* a page from a file may not have any */ }
    if (this.colours) { this.colours.read(); this.update(); }
  }

  /* -- buttons and keys -------------------------------------------------------------------------------------------------------- */

  listen() {
    const { folding, timeline, view } = this;
    const name = () => (this.model.data.title.match(/[\w-]+/) || ["graph"])[0];
    this.actions = {
      previous: () => this.goTo(timeline.index - 1), next: () => this.goTo(timeline.index + 1),
      first: () => this.goTo(0), last: () => this.goTo(timeline.stops.length - 1), turning: () => this.goTo(timeline.forwardStops),
      play: () => this.play(),
      up: () => this.walk("up"), down: () => this.walk("down"), left: () => this.walk("left"), right: () => this.walk("right"),
      enter: () => { if (this.chosen === null) this.walk("up"); else if (folding.isGroup(this.chosen)) this.toggle(this.chosen); else byId("details").focus(); },
      foldAround: () => { const g = this.chosen === null ? -1 : folding.parentOf(this.chosen); if (g >= 0) this.toggle(folding.itemOf(g)); },
      paths: () => { if (this.chosen !== null && !folding.isGroup(this.chosen)) this.paths(this.chosen); },
      search: () => byId("query").focus(), fit: () => view.fit(), larger: () => view.zoom(1.25), smaller: () => view.zoom(0.8),
      outline: () => { this.outline.toggle(); byId("outline-toggle").setAttribute("aria-expanded", String(this.outline.shown)); },
      theme: () => this.setTheme(this.colours.dark() ? "light" : "dark"),
      release: () => { if (!byId("help").hidden) this.actions.help(); else if (NARROW.matches && this.outline.shown) this.actions.outline(); else { byId("query").value = ""; this.search("", 0); this.choose(null); byId("graph").focus(); } },
      help: () => { const help = byId("help"); help.hidden = !help.hidden; byId("help-toggle").setAttribute("aria-expanded", String(!help.hidden)); (help.hidden ? byId("graph") : help.querySelector("button")).focus(); },
      foldAll: () => { folding.setAll(false); this.refold(); view.fit(false); }, unfoldAll: () => { folding.setAll(true); this.refold(); view.fit(false); },
      turn: () => { this.sideways = !this.sideways; this.arrange(); view.fit(false); },
      saveSvg: () => save(new Blob([svgOf(this.scene, this.measure)], { type: "image/svg+xml" }), name() + ".svg"),
      savePng: () => canvasOf(this.scene).toBlob((blob) => save(blob, name() + ".png"), "image/png"),
    };
    const buttons = { previous: "previous", next: "next", first: "first", last: "last", play: "play", fit: "fit", theme: "theme", turn: "turn", "fold-all": "foldAll", "unfold-all": "unfoldAll", "save-svg": "saveSvg", "save-png": "savePng", "outline-toggle": "outline", "help-toggle": "help" };
    for (const [id, action] of Object.entries(buttons)) byId(id).addEventListener("click", () => this.actions[action]());
    byId("slider").addEventListener("input", (e) => this.goTo(Number(e.target.value)));
    byId("colour").addEventListener("change", (e) => { this.scene.colourBy = e.target.value; this.update(); });
    byId("query").addEventListener("input", (e) => { this.hit = undefined; this.search(e.target.value, 0); });
    byId("search").addEventListener("submit", (e) => { e.preventDefault(); this.search(byId("query").value, 1); });
    listenToPointers(view, { choose: (item) => this.choose(item), openHull: (g) => this.toggle(folding.itemOf(g)), toggle: (item) => this.toggle(item) });
    listenToKeys(this.actions);
  }
}

function valueText(model, item) {
  const text = brief(model.summary(model.valueRow(item)));
  return text ? ` = ${text}` : "";
}

function storedTheme() {
  try {
    const stored = localStorage.getItem("chainrule-theme");
    if (stored === "light" || stored === "dark") return stored;
  } catch { /* not allowed: go by the system */ }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

start().catch((error) => {
  byId("notice").textContent = `The graph cannot be shown: ${error.message}`;
  byId("notice").hidden = false;
  throw error;
});
