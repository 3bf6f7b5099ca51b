/* The picture as a file. */

const PICTURE_MARGIN = 24, MOST_PIXELS = 40e6;

function svgOf(scene, measure) {
  const { places } = scene, m = PICTURE_MARGIN, pen = new SvgPen(measure);
  const width = Math.ceil(places.width + 2 * m), height = Math.ceil(places.height + 2 * m);
  scene.paint(pen, 1, null);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-m} ${-m} ${width} ${height}" font-family="${FONT}">`
    + `<rect x="${-m}" y="${-m}" width="${width}" height="${height}" fill="${scene.colours.theme.paper}"/>${pen.parts.join("")}</svg>\n`;
}

/* A canvas with the whole picture, twice as fine as the screen where that is not too much. */
function canvasOf(scene) {
  const { places } = scene, m = PICTURE_MARGIN;
  const width = places.width + 2 * m, height = places.height + 2 * m;
  const ratio = Math.min(2, Math.sqrt(MOST_PIXELS / (width * height)), 16000 / width, 16000 / height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * ratio);
  canvas.height = Math.ceil(height * ratio);
  const c = canvas.getContext("2d");
  c.fillStyle = scene.colours.theme.paper;
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.setTransform(ratio, 0, 0, ratio, m * ratio, m * ratio);
  scene.paint(new CanvasPen(c), Math.max(ratio, 0.3), null);
  return canvas;
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
