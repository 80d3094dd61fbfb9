// Garbage collections on a line of CPU time, a lane for each generation.

const LANE = 44; // pixels
const NAMES = 100; // pixels beside the lanes

/** The picture of a round's collections, and a table of them by generation. */
function pausesOf(pauses) {
  const events = pauses.events.map(([at, generation, cpu]) => ({ at, generation, cpu }));
  const generations = [...new Set(events.map((event) => event.generation))].sort((a, b) => b - a);
  const drawing = svg("svg", { "aria-hidden": true });
  let marks = [];
  let width = 0;
  const figure = stepping(drawing, "Garbage collections, in their order", {
    count: events.length,
    tell: (part) => toldPause(events[part]),
    show: (part) => marks.forEach((mark, at) => mark.classList.toggle("mark", at === part)),
    find: (event) => marks.indexOf(event.target.closest("[data-pause]")),
    jump: (part, by) => {
      const lane = events[part].generation - by;
      return nearest(events, part, (event) => event.generation === lane);
    },
  });
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width !== width) {
      width = contentRect.width;
      marks = drawPauses(drawing, events, generations, pauses.cpu, width);
    }
  }).observe(figure.firstChild);
  return [figure, pauseTable(events, generations, pauses.more)];
}

function toldPause({ at, generation, cpu }) {
  const when = rendered(at, "ns");
  return `generation ${generation}: ${rendered(cpu, "ns")}, after ${when} of the worker's CPU time`;
}

/** The part nearest to one, of those that are `wanted`; that one itself where none is. */
function nearest(events, part, wanted) {
  const found = events.map((_, at) => at).filter((at) => wanted(events[at]));
  return found.length
    ? found.reduce((best, at) => (Math.abs(at - part) < Math.abs(best - part) ? at : best))
    : part;
}

/** Draw all collections; their heights are their times beside the longest. Return the marks. */
function drawPauses(drawing, events, generations, cpu, width) {
  const longest = Math.max(...events.map((event) => event.cpu), 1);
  const end = Math.max(cpu, ...events.map((event) => event.at), 1);
  const scale = (width - NAMES) / end;
  const height = generations.length * LANE;
  const marks = events.map((event) => {
    const bottom = (generations.indexOf(event.generation) + 1) * LANE - 4;
    const high = Math.max((event.cpu / longest) * (LANE - 12), 3);
    const wide = Math.max(event.cpu * scale, 2);
    const x = NAMES + Math.max(event.at * scale - wide, 0);
    const place = { x, y: bottom - high, width: wide, height: high };
    return svg("rect", { ...place, class: "point", "data-pause": "" });
  });
  const lanes = generations.flatMap((generation, lane) => {
    const y = (lane + 1) * LANE - 4;
    return [
      svg("line", { x1: NAMES, x2: width, y1: y, y2: y, class: "axis" }),
      svg("text", { x: 0, y, "font-size": 12 }, `generation ${generation}`),
    ];
  });
  const time = svg(
    "text",
    { x: width, y: height + 14, "font-size": 12, "text-anchor": "end" },
    `${rendered(end, "ns")} of CPU time`,
  );
  drawing.setAttribute("width", width);
  drawing.setAttribute("height", height + 20);
  drawing.replaceChildren(...lanes, ...marks, time);
  return marks;
}

function pauseTable(events, generations, more) {
  const rows = generations.map((generation) => {
    const times = events.filter((event) => event.generation === generation).map(({ cpu }) => cpu);
    const all = times.reduce((sum, time) => sum + time, 0);
    const amounts = [rendered(times.length, "count"), rendered(all, "ns"), rendered(Math.max(...times), "ns")];
    return [String(generation), ...amounts];
  });
  const found = table("Collections by generation", ["generation", "collections", "in all", "longest"], rows, [1, 2, 3]);
  const left = more ? [html("p", {}, `${rendered(more, "count")} later collections are not shown.`)] : [];
  return html("div", {}, found, ...left);
}
