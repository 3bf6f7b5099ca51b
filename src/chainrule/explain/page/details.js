/* The panel beside the graph: everything about what is chosen.  Builds from text nodes only: names are data. */

/* An element with properties and children; children are nodes or texts. */
function make(tag, props = {}, ...children) {
  const found = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k === "class") found.className = v;
    else if (k.startsWith("on")) found.addEventListener(k.slice(2), v);
    else if (v === true) found.setAttribute(k, "");
    else if (v !== false && v !== null && v !== undefined) found.setAttribute(k, v);
  }
  found.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
  return found;
}

class Details {
  constructor(panel, model, folding, timeline, actions) {
    Object.assign(this, { panel, model, folding, timeline, actions });
  }

  show(item) {
    const parts = item === null ? this.overview() : this.folding.isGroup(item) ? this.group(item) : this.vertex(item);
    this.panel.replaceChildren(...parts.filter(Boolean));
    this.panel.dataset.chosen = item === null ? "" : "yes";
  }

  /* -- nothing chosen ------------------------------------------------------------------------------------------- */

  overview() {
    const { model } = this;
    const leaves = [];
    for (let i = 0; i < model.count; i++) if (model.kind[i] === LEAF) leaves.push(i);
    const marks = {};
    for (let i = 0; i < model.count; i++) {
      const mark = model.mark(model.cotangentRow(i));
      if (mark) (marks[mark] ||= []).push(i);
    }
    const outputs = [...model.roots];
    return [
      make("h2", {}, "Graph"),
      rows([["operations", model.forward.length.toLocaleString("en")], ["leaves", leaves.length.toLocaleString("en")], ["links", model.start.length.toLocaleString("en")]]),
      section("Output", outputs.map((i) => this.line(i, brief(model.summary(model.valueRow(i)))))),
      Object.keys(marks).length ? section("Look here", Object.entries(marks).map(([mark, found]) => this.marked(mark, found))) : null,
      leaves.length ? section("Gradients of leaves", leaves.slice(0, 60).map((i) => this.line(i, brief(model.summary(this.timeline.arrived(i))))), leaves.length > 60 ? `and ${leaves.length - 60} more` : "") : null,
    ];
  }

  marked(mark, found) {
    const head = make("p", { class: `mark ${mark}` }, make("span", { class: "sign", "aria-hidden": "true" }, MARK_SIGNS[mark]), ` ${MARK_WORDS[mark]}: ${found.length}`);
    // The gradient turned bad where backward met it first: at the youngest.
    return make("div", {}, head, found.slice(-6).reverse().map((i) => this.line(i, brief(this.model.summary(this.model.cotangentRow(i))))));
  }

  /* A button that chooses a vertex. */
  line(i, text) {
    return make("button", { type: "button", class: "line", onclick: () => this.actions.choose(i, true) }, make("span", {}, this.model.fullLabel(i)), make("span", { class: "number" }, text || "–"));
  }

  /* -- a group --------------------------------------------------------------------------------------------------- */

  group(item) {
    const g = this.folding.groupOf(item), group = this.model.groups[g];
    const children = this.folding.children(g);
    const strongest = this.timeline.strongest(item);
    return [
      make("h2", {}, group.name),
      make("p", { class: "kind" }, { module: group.title || "module", loop: `loop of ${group.title || "steps"}`, pass: "one pass of the loop", part: "part" }[group.kind]),
      make("p", { class: "buttons" }, make("button", { type: "button", onclick: () => this.actions.toggle(item) }, this.folding.open[g] ? "Fold" : "Open")),
      rows([["operations", this.folding.operations[g].toLocaleString("en")], ["strongest gradient", strongest.row >= 0 ? brief(this.model.summary(strongest.row)) : "–"]]),
      markLine(strongest.mark),
      section("Holds", children.slice(0, 80).map((c) => this.child(c)), children.length > 80 ? `and ${children.length - 80} more` : ""),
    ];
  }

  child(item) {
    if (!this.folding.isGroup(item)) return this.line(item, brief(this.model.summary(this.model.valueRow(item))));
    const g = this.folding.groupOf(item);
    return make("button", { type: "button", class: "line", onclick: () => this.actions.choose(item, true) }, make("span", {}, `${this.folding.open[g] ? "−" : "+"} ${this.folding.label(item)}`), make("span", { class: "number" }, this.folding.subtitle(g)));
  }

  /* -- an operation, leaf or constant -------------------------------------------------------------------------------- */

  vertex(i) {
    const { model } = this, kind = model.kind[i];
    const word = kind === OPERATION ? model.text("node", i) : kind === LEAF ? model.title(i) : "data, without gradient";
    const path = model.groupPath(i).map((g) => model.groups[g].name).join(" › ");
    return [
      make("h2", {}, model.fullLabel(i)),
      this.equation(i),
      make("p", { class: "kind" }, [word, path].filter(Boolean).join(" · ")),
      markLine(model.mark(this.timeline.arrived(i))),
      kind === LEAF ? make("p", { class: "buttons" }, make("button", { type: "button", onclick: () => this.actions.paths(i) }, "Light paths to the output")) : null,
      this.formula(i),
      this.source(i),
      this.numbers("Value", this.timeline.computed(this.folding.shown[i]) ? model.valueRow(i) : -1, kind === OPERATION ? this.absent(i) : ""),
      kind === DATA ? null : this.gradient(i),
      kind === OPERATION ? this.inputs(i) : null,
      this.consumers(i),
    ];
  }

  absent(i) { return this.timeline.computed(this.folding.shown[i]) ? "The tape has not kept this value." : "Not yet computed at this step."; }

  equation(i) {
    const text = this.model.text("equation", i);
    return text ? make("p", { class: "formula" }, text) : null;
  }

  formula(i) {
    const text = this.model.text("formulas", i);
    return text ? section("Local derivatives", text.split("\n").map((line) => make("p", { class: "formula" }, line))) : null;
  }

  source(i) {
    const text = this.model.text("line", i);
    if (!text) return null;
    const [file, line, code] = text.split("\t");
    return section("Source", make("p", { class: "where" }, `${file}, line ${line}`), code ? make("pre", { class: "code", tabindex: "0" }, code) : null);
  }

  gradient(i) {
    const { model, timeline } = this;
    const row = timeline.arrived(i), name = model.name(i) || model.text("symbol", i) || model.title(i);
    const title = model.kind[i] === LEAF ? `Gradient ∂L/∂${name}` : "Cotangent in";
    const parts = model.outputs[i].filter((k) => model.data.links.product[k] >= 0);
    const sum = parts.length > 1 ? make("div", { class: "sum" }, make("p", { class: "where" }, `The sum over ${parts.length} paths:`), parts.slice(0, 40).map((k) => this.product(k, model.end[k]))) : null;
    const missing = model.data.notice && !model.hasGradients ? "Not known: see the note above." : model.cotangentRow(i) < 0 ? "No gradient comes here." : "Nothing has arrived at this step.";
    return section(title, this.numbers("", row, missing), sum);
  }

  /* A product on its way; grey until it has been sent. */
  product(link, vertex) {
    const sent = this.timeline.sent(link);
    const found = this.line(vertex, sent ? brief(this.model.summary(this.model.data.links.product[link])) : "…");
    if (!sent) found.classList.add("later");
    return found;
  }

  inputs(i) {
    const { model } = this;
    const parts = model.inputs[i].map((k) => {
      const start = model.start[k], local = model.summary(model.data.links.local[k] ?? -1);
      const sent = this.timeline.sent(k) && model.data.links.product[k] >= 0;
      const values = [["value", brief(model.summary(model.valueRow(start)))], ["local derivative", brief(local)], ["product out", sent ? brief(model.summary(model.data.links.product[k])) : ""]];
      return make("div", { class: "operand" }, this.line(start, ""), rows(values.filter(([, text]) => text)));
    });
    const told = (model.data.vertices.literals[i] || []).map(([name, value]) => [`constant ${name}`, value]);
    const literals = [...told, ...(model.data.vertices.settings[i] || [])].map(([name, value]) => make("p", { class: "literal" }, make("span", {}, name), make("span", { class: "number" }, value)));
    return parts.length || literals.length ? section("Inputs", parts, literals) : null;
  }

  consumers(i) {
    const found = [...new Set(this.model.outputs[i].map((k) => this.model.end[k]))];
    return found.length ? section("Used by", found.slice(0, 40).map((v) => this.line(v, brief(this.model.summary(this.model.valueRow(v))))), found.length > 40 ? `and ${found.length - 40} more` : "") : null;
  }

  numbers(title, row, missing) {
    const summary = this.model.summary(row);
    if (!summary) return missing ? section(title, make("p", { class: "where" }, missing)) : null;
    const parts = [];
    if (summary.size === 1) parts.push(make("p", { class: "big" }, short(summary.element, 6)));
    const facts = [["dtype", summary.dtype], ["shape", shapeText(summary)]];
    if (summary.size !== 1) {
      facts.push(["root mean square", short(summary.rms)]);
      if (summary.mean !== undefined) facts.push(["mean ± deviation", `${short(summary.mean)} ± ${short(summary.std)}`], ["least … greatest", `${short(summary.least)} … ${short(summary.greatest)}`]);
      if (summary.zeros) facts.push(["zeros", `${summary.zeros} of ${summary.size} (${Math.round((100 * summary.zeros) / summary.size)} %)`]);
      if (summary.nans) facts.push(["NaN", String(summary.nans)]);
      if (summary.infinities) facts.push(["infinite", String(summary.infinities)]);
    }
    parts.push(rows(facts));
    if (summary.cells && summary.size > 1) parts.push(matrix(summary));
    if (summary.histogram) parts.push(histogram(summary.histogram));
    return title ? section(title, parts) : make("div", {}, parts);
  }
}

function section(title, ...children) { return make("section", {}, title ? make("h3", {}, title) : null, ...children); }

function rows(pairs) { return make("dl", {}, pairs.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])); }

function markLine(mark) {
  return mark ? make("p", { class: `mark ${mark}` }, make("span", { class: "sign", "aria-hidden": "true" }, MARK_SIGNS[mark]), ` ${MARK_WORDS[mark]}`) : null;
}

/* A small array whole: rows of the last dimension. */
function matrix(summary) {
  const width = summary.shape[summary.shape.length - 1] || 1;
  const lines = [];
  for (let i = 0; i < summary.cells.length; i += width) lines.push(make("tr", {}, summary.cells.slice(i, i + width).map((c) => make("td", {}, short(c, 3)))));
  return make("div", { class: "matrix", tabindex: "0", role: "region", "aria-label": "Elements" }, make("table", {}, make("tbody", {}, lines)));
}

function histogram([low, high, ...counts]) {
  const top = Math.max(...counts), NS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${counts.length * 10} 60`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Histogram from ${short(low)} to ${short(high)}, at most ${top} in a bin`);
  counts.forEach((count, i) => {
    const height = count ? Math.max(1.5, (56 * count) / top) : 0, bar = document.createElementNS(NS, "rect");
    for (const [k, v] of Object.entries({ x: i * 10 + 1, y: 60 - height, width: 8, height, rx: 1.5 })) bar.setAttribute(k, v);
    const title = document.createElementNS(NS, "title");
    title.textContent = `${short(low + ((high - low) * i) / counts.length)} … ${short(low + ((high - low) * (i + 1)) / counts.length)}: ${count}`;
    bar.append(title);
    svg.append(bar);
  });
  return make("figure", { class: "histogram" }, svg, make("figcaption", {}, make("span", {}, short(low)), make("span", {}, short(high))));
}
