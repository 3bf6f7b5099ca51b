/* Two pens with the same strokes: one draws on a canvas, one writes SVG.  So a saved picture is the one on the screen. */

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

class CanvasPen {
  constructor(context) { this.c = context; }

  rect(x, y, width, height, radius, { fill, stroke, line = 1, dash } = {}) {
    const c = this.c;
    c.beginPath();
    if (radius) c.roundRect(x, y, width, height, radius); else c.rect(x, y, width, height);
    if (fill) { c.fillStyle = fill; c.fill(); }
    if (stroke) { c.strokeStyle = stroke; c.lineWidth = line; c.setLineDash(dash || []); c.stroke(); }
  }

  /* commands: ["M", x, y], ["L", x, y], ["C", x1, y1, x2, y2, x, y], ["Z"] */
  path(commands, { fill, stroke, line = 1, dash } = {}) {
    const c = this.c;
    c.beginPath();
    for (const k of commands) {
      if (k[0] === "M") c.moveTo(k[1], k[2]);
      else if (k[0] === "L") c.lineTo(k[1], k[2]);
      else if (k[0] === "C") c.bezierCurveTo(k[1], k[2], k[3], k[4], k[5], k[6]);
      else c.closePath();
    }
    if (fill) { c.fillStyle = fill; c.fill(); }
    if (stroke) { c.strokeStyle = stroke; c.lineWidth = line; c.setLineDash(dash || []); c.stroke(); }
  }

  text(text, x, y, { size = 12, weight = 400, fill, anchor = "start", most } = {}) {
    const c = this.c;
    c.font = `${weight} ${size}px ${FONT}`;
    c.fillStyle = fill;
    c.textAlign = anchor === "middle" ? "center" : anchor;
    c.textBaseline = "alphabetic";
    c.fillText(most ? fitted(text, most, (t) => c.measureText(t).width) : text, x, y);
  }
}

class SvgPen {
  constructor(measure) { this.measure = measure; this.parts = []; }

  rect(x, y, width, height, radius, style = {}) {
    this.parts.push(`<rect x="${tidy(x)}" y="${tidy(y)}" width="${tidy(width)}" height="${tidy(height)}" rx="${radius || 0}"${paint(style)}/>`);
  }

  path(commands, style = {}) {
    const d = commands.map((k) => k[0] + k.slice(1).map(tidy).join(" ")).join("");
    this.parts.push(`<path d="${d}"${paint(style)}/>`);
  }

  text(text, x, y, { size = 12, weight = 400, fill, anchor = "start", most } = {}) {
    const shown = most ? fitted(text, most, (t) => this.measure(t, weight > 600) * (size / (weight > 600 ? 12.5 : 11.5))) : text;
    this.parts.push(`<text x="${tidy(x)}" y="${tidy(y)}" font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}">${escaped(shown)}</text>`);
  }
}

function paint({ fill = "none", stroke, line = 1, dash }) {
  const edge = stroke ? ` stroke="${stroke}" stroke-width="${line}"${dash && dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : ""}` : "";
  return ` fill="${fill}"${edge}`;
}

function tidy(x) { return Math.round(x * 10) / 10; }

function escaped(text) {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");
}

/* A text cut to a width. */
function fitted(text, most, measure) {
  if (measure(text) <= most) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(text.slice(0, middle) + "…") <= most) low = middle; else high = middle - 1;
  }
  return text.slice(0, low) + "…";
}
