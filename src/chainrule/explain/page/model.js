/* The graph as Python wrote it: unpacked, and answering what the page asks. */

const OPERATION = 0, LEAF = 1, DATA = 2;

// Thresholds of the marks, on the root mean square of a gradient.
const EXPLODING = 1e3, VANISHING = 1e-8;

async function unpackGraph(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

class Model {
  constructor(data) {
    this.data = data;
    const v = data.vertices, k = data.links;
    this.count = v.kind.length;
    this.kind = v.kind;
    this.groups = data.groups;
    this.rows = data.numbers.rows;
    let end = 0;
    this.end = k.further.map((step) => (end += step));
    this.start = k.back.map((step, link) => this.end[link] - step);
    this.inputs = lists(this.count, this.end);
    this.outputs = lists(this.count, this.start);
    this.roots = new Set(data.roots);
    this.forward = [];
    for (let i = 0; i < this.count; i++) if (this.kind[i] === OPERATION) this.forward.push(i);
    this.backward = this.forward.filter((i) => v.cotangent[i] >= 0).reverse();
    this.forwardRank = ranks(this.forward, this.count);
    this.backwardRank = ranks(this.backward, this.count);
    this.hasGradients = v.cotangent.some((row) => row >= 0);
    // Which of the links into a vertex's cotangent came when: their consumers' places in backward.
    for (const links of this.outputs) links.sort((a, b) => this.backwardRank[this.end[a]] - this.backwardRank[this.end[b]] || a - b);
  }

  /* A large graph has not all columns. */
  text(column, i) { return this.data.vertices.texts[this.data.vertices[column][i] ?? 0]; }
  title(i) { return this.text("title", i); }
  name(i) { return this.text("name", i); }

  /* What a vertex is called in one line. */
  label(i) {
    const name = this.name(i), title = this.title(i);
    if (this.kind[i] !== OPERATION) return name || this.text("symbol", i) || title;
    const few = (this.data.vertices.literals[i] || []).filter(([, value]) => value.length <= 8).map(([, value]) => value);
    const what = few.length && few.length <= 2 ? `${title} ${few.join(" ")}` : title;
    return name ? `${name} = ${what}` : what;
  }

  /* What a card shows: the equation where it is short. */
  cardLabel(i) {
    const equation = this.text("equation", i), name = this.name(i), scope = this.text("scope", i);
    if (equation && equation.length <= 24) return equation;
    if (this.kind[i] === LEAF && scope && this.data.vertices.group[i] >= 0 && name.startsWith(scope + ".")) return name.slice(scope.length + 1);
    return this.label(i);
  }

  /* The same with the name that formulas use. */
  fullLabel(i) {
    const symbol = this.text("symbol", i);
    return this.kind[i] === OPERATION && symbol && !this.name(i) ? `${symbol} = ${this.label(i)}` : this.label(i);
  }

  valueRow(i) { return this.data.vertices.value[i]; }
  cotangentRow(i) { return this.data.vertices.cotangent[i]; }

  /* A row of the table as an object; null for none. */
  summary(row) {
    if (row < 0 || row === undefined || row === null) return null;
    const r = this.rows[row];
    const [dtype, shape] = this.data.numbers.kinds[r[0]];
    const size = shape.reduce((a, b) => a * b, 1);
    const found = { row, dtype, shape, size, rms: asNumber(r[1]), cells: this.data.numbers.cells[row], histogram: this.data.numbers.histograms[row] };
    if (size === 1) {
      found.element = r[1];
      found.rms = typeof r[1] === "string" && r[1].endsWith("j") ? complexSize(r[1]) : Math.abs(found.rms);
    }
    if (r.length > 2) [found.mean, found.std, found.least, found.greatest, found.zeros, found.nans, found.infinities] = r.slice(2);
    return found;
  }

  /* The magnitude of a row, without making an object: what colours are taken from. */
  magnitude(row) {
    if (row < 0) return null;
    const x = this.rows[row][1];
    if (typeof x === "number") return Math.abs(x);
    return x.endsWith("j") ? complexSize(x) : Math.abs(asNumber(x));
  }

  /* "dead", "vanishing", "exploding", "nan" or "" for a gradient. */
  mark(row) {
    if (row < 0) return "";
    const r = this.rows[row];
    const size = this.magnitude(row);
    if (!Number.isFinite(size) || r[7] > 0 || r[8] > 0) return "nan";
    if (size === 0) return "dead";
    if (size >= EXPLODING) return "exploding";
    return size < VANISHING ? "vanishing" : "";
  }

  /* All vertices on paths from `start` to the outputs, and the links between them. */
  paths(start) {
    const vertices = new Set([start]), links = new Set(), stack = [start];
    while (stack.length) {
      for (const link of this.outputs[stack.pop()]) {
        links.add(link);
        const end = this.end[link];
        if (!vertices.has(end)) { vertices.add(end); stack.push(end); }
      }
    }
    return { vertices, links };
  }

  groupPath(i) {
    const path = [];
    for (let g = this.data.vertices.group[i]; g >= 0; g = this.groups[g].parent) path.unshift(g);
    return path;
  }
}

function lists(count, ends) {
  const found = Array.from({ length: count }, () => []);
  ends.forEach((end, link) => found[end].push(link));
  return found;
}

function ranks(order, count) {
  const found = new Int32Array(count).fill(-1);
  order.forEach((vertex, rank) => { found[vertex] = rank; });
  return found;
}

function asNumber(x) {
  if (typeof x === "number") return x;
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[x] ?? NaN;
}

function complexSize(text) {
  const found = /^(.*\d|inf|nan|-inf)([+-].*)j$/.exec(text);
  return found ? Math.hypot(parseFloat(found[1]), parseFloat(found[2])) : NaN;
}

/* A number in at most `digits` significant digits, as short as it goes. */
function short(x, digits = 4) {
  if (typeof x === "string") return { nan: "NaN", inf: "∞", "-inf": "−∞" }[x] ?? x;
  if (x === null || x === undefined) return "";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e6 || size < 1e-4 ? x.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e").replace("e+", "e") : String(Number(x.toPrecision(digits)));
  return text.replace("-", "−").replace("e-", "e−");
}

function shapeText(summary) { return summary.shape.length ? summary.shape.join("×") : "scalar"; }

/* The value of one element, or shape and magnitude. */
function brief(summary) {
  if (!summary) return "";
  return summary.size === 1 ? short(summary.element) : `[${summary.shape.join("×")}] ${short(summary.rms, 3)}`;
}
