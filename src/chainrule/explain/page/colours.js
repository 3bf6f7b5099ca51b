/* Colours: the theme's, read from the style sheet, and the scale of magnitudes. */

// From weak to strong; ordered in lightness, so that it reads without colour vision too.
const SCALES = {
  light: ["#dfe7f5", "#b3cdee", "#7fb0e3", "#4a8fd3", "#2569b3", "#15427f"],
  dark: ["#26344f", "#2d4f80", "#3170b3", "#3f93dc", "#74b8f2", "#bfe0ff"],
};
const MARKS = { nan: "--bad", exploding: "--hot", dead: "--dead", vanishing: "--weak" };
const MARK_SIGNS = { nan: "NaN", exploding: "▲", dead: "∅", vanishing: "▽" };
const MARK_WORDS = {
  nan: "NaN or infinite gradient", exploding: "exploding gradient", dead: "dead: the gradient is zero", vanishing: "vanishing gradient",
};
const MOST_DECADES = 6; // that the scale spans, from the strongest down
const FAMILIES = 8; // colours for kinds of operations

class Colours {
  constructor(model) {
    this.model = model;
    this.range = { gradient: range(model, "cotangent"), value: range(model, "value") };
    this.read();
  }

  /* Take the theme's colours over from the style sheet. */
  read() {
    const style = getComputedStyle(document.documentElement);
    const known = new Map(); // asking the style sheet takes its time
    this.name = (name) => {
      if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
      return known.get(name);
    };
    const names = ["--paper", "--card", "--ink", "--faint", "--line", "--edge", "--accent", "--path", "--leaf", "--data", "--bad", "--hot", "--dead", "--weak", "--hull"];
    this.theme = Object.fromEntries(names.map((n) => [n.slice(2), this.name(n)]));
    this.scale = SCALES[this.dark() ? "dark" : "light"];
  }

  dark() { return document.documentElement.dataset.theme === "dark"; }

  /* The colour of a magnitude between the weakest and the strongest of its sort. */
  ofMagnitude(size, sort) {
    if (!(size > 0)) return this.theme.dead;
    if (!Number.isFinite(size)) return this.theme.bad;
    const { low, high } = this.range[sort];
    const at = high > low ? clamp((Math.log10(size) - low) / (high - low), 0, 1) : 0.6;
    return this.at(at);
  }

  at(fraction) {
    const s = this.scale, x = fraction * (s.length - 1), i = Math.min(Math.floor(x), s.length - 2);
    return mix(s[i], s[i + 1], x - i);
  }

  ofOperation(title) {
    let sum = 0;
    for (const c of title) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
    return this.name(`--family-${sum % FAMILIES}`);
  }
}

/* The decades that the magnitudes lie in. */
function range(model, sort) {
  const found = [];
  for (let i = 0; i < model.count; i++) {
    const size = model.magnitude(model.data.vertices[sort][i]);
    if (size > 0 && Number.isFinite(size)) found.push(Math.log10(size));
  }
  if (!found.length) return { low: 0, high: 0 };
  let low = Infinity, high = -Infinity;
  for (const x of found) { low = Math.min(low, x); high = Math.max(high, x); }
  return { low: Math.max(low, high - MOST_DECADES), high };
}

function channels(colour) {
  const text = colour.trim();
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

const MIXED = new Map();

/* Two colours of the form #rrggbb, mixed. */
function mix(a, b, share) {
  const key = a + b + share;
  let found = MIXED.get(key);
  if (!found) {
    const x = channels(a), y = channels(b);
    found = "#" + x.map((v, i) => Math.round(v + (y[i] - v) * share).toString(16).padStart(2, "0")).join("");
    if (MIXED.size > 20000) MIXED.clear();
    MIXED.set(key, found);
  }
  return found;
}

/* Black or white, whichever reads better on a colour. */
function inkOn(colour) {
  const [r, g, b] = channels(colour).map((v) => { const s = v / 255; return s <= 0.04 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#10151f" : "#ffffff";
}
