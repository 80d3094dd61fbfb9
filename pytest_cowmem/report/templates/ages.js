// Private bytes over the requests that a worker has served.

const HIGH = 120; // pixels of the picture
const EDGE = 8;

/** A line over requests, and each of its points in a table. */
function agesOf(ages) {
  const drawing = svg("svg", { role: "img", "aria-label": `Private bytes ${toldAges(ages)}` });
  const picture = html("div", { class: "picture" }, drawing);
  new ResizeObserver(([{ contentRect }]) => drawAges(drawing, ages, contentRect.width)).observe(picture);
  const rows = ages.map(([requests, bytes]) => [rendered(requests, "count"), size(bytes)]);
  return [picture, table("Private bytes over requests", ["requests", "private"], rows, [0, 1])];
}

function toldAges(ages) {
  return ages.map(([requests, bytes]) => `${size(bytes)} after ${requests}`).join(", ");
}

/** From no bytes after no request to the last point. */
function drawAges(drawing, ages, width) {
  const most = Math.max(...ages.map(([, bytes]) => bytes), 1);
  const last = Math.max(ages.at(-1)[0], 1);
  const points = [[0, 0], ...ages].map(([requests, bytes]) => [
    EDGE + (requests / last) * (width - 2 * EDGE),
    HIGH - EDGE - (bytes / most) * (HIGH - 3 * EDGE),
  ]);
  drawing.setAttribute("width", width);
  drawing.setAttribute("height", HIGH);
  drawing.replaceChildren(
    svg("line", { x1: EDGE, x2: width - EDGE, y1: HIGH - EDGE, y2: HIGH - EDGE, class: "axis" }),
    svg("polyline", { points: points.join(" "), class: "trace" }),
    ...points.slice(1).map(([cx, cy]) => svg("circle", { cx, cy, r: 3.5, class: "point" })),
  );
}
