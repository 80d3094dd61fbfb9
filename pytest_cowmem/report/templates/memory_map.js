// A worker's memory, a small square for each page; model/memory_map.py says what the data is.

// letter: [class, name]
const STATES = {
  s: ["shared", "shared"],
  w: ["counts", "copied by counts or writes"],
  g: ["collection", "copied by a collection"],
  c: ["copied", "copied"],
  f: ["fresh", "fresh"],
  r: ["ready", "its own when it was ready"],
  a: ["absent", "not resident"],
};
const NOT_ITS_OWN = "sa";
const CELLS = [8, 6, 5, 4, 3, 2]; // pixels of a page, the largest that fits is taken
const STEP = 16; // pages in a row are a multiple of this
const HIGHEST = 480; // pixels of a picture, unless pages are the smallest already
const TEXT = 12; // pixels of a line beside the picture
const ROOM_FOR_TEXT = 640; // pixels of a picture that has names beside it
const GUTTER = 150; // pixels of these names

/** The regions with their runs, which are numbered through: [{name, runs: [{letter, ...}]}]. */
function regionsOf(map) {
  return map.regions.map(([kind, file, text]) => {
    const name = file ? `${kind}, ${file}` : kind;
    const runs = [...text.matchAll(/([a-z])(\d*)(?::(\d+))?/g)].map(
      ([, letter, pages, module]) => ({
        letter,
        pages: Number(pages || 1),
        module: module ? map.modules[module] : "",
      }),
    );
    return { name, runs, own: runs.some((run) => !NOT_ITS_OWN.includes(run.letter)) };
  });
}

/**
 * Give each run its `first` cell and its number of `cells`, and each region its first `row`, and
 * return the number of rows. Every region begins a row, and one with pages of the worker's own has
 * at least `least` rows. What is not resident is a row at most.
 */
function arrange(regions, columns, least) {
  let row = 0;
  for (const region of regions) {
    region.row = row;
    let cell = row * columns;
    for (const run of region.runs) {
      run.first = cell;
      run.cells = run.letter === "a" ? Math.min(run.pages, columns) : run.pages;
      cell += run.cells;
    }
    const rows = Math.ceil(cell / columns) - row;
    row += region.own ? Math.max(rows + 1, least) : rows;
  }
  return row;
}

/** How many pages are in a row, and how large they are, for a picture of so many pixels. */
function fitting(regions, width) {
  let fit = null;
  for (const cell of CELLS) {
    const columns = Math.max(Math.floor(width / cell / STEP), 1) * STEP;
    fit = { cell, columns, rows: arrange(regions, columns, Math.ceil(TEXT / cell)) };
    if (columns * cell <= width && fit.rows * cell <= HIGHEST) {
      break;
    }
  }
  return fit;
}

/** The outline of cells that follow one another in rows: whole rows are one box. */
function outline(first, cells, columns) {
  let path = "";
  for (let cell = first; cell < first + cells; ) {
    const x = cell % columns;
    const left = first + cells - cell;
    const height = x === 0 && left >= columns ? Math.floor(left / columns) : 1;
    const width = height > 1 ? columns : Math.min(columns - x, left);
    path += `M${x} ${Math.floor(cell / columns)}h${width}v${height}h${-width}z`;
    cell += width * height;
  }
  return path;
}

/** Stripes, dots and the like, so that states differ in more than their colour. */
function textures(id, cell) {
  const marks = { collection: "M0 2h4", fresh: "M0 4L4 0", copied: "M2 0v4" };
  return Object.entries(marks).map(([name, d]) =>
    svg(
      "pattern",
      {
        id: `${id}-${name}`,
        width: 4,
        height: 4,
        patternUnits: "userSpaceOnUse",
        patternTransform: `scale(${1 / cell})`,
      },
      svg("rect", { width: 4, height: 4, class: name }),
      svg("path", { d, class: "stroke" }),
    ),
  );
}

let pictures = 0;

/** Draw the regions into a drawing, anew for its present width. */
function drawMap(drawing, regions, width) {
  const gutter = width >= ROOM_FOR_TEXT ? GUTTER : 0;
  const { columns, cell, rows } = fitting(regions, width - gutter);
  const id = `map${pictures++}`;
  const paths = {};
  for (const region of regions) {
    for (const run of region.runs) {
      paths[run.letter] = (paths[run.letter] ?? "") + outline(run.first, run.cells, columns);
    }
  }
  const textured = textures(id, cell);
  const shapes = Object.entries(STATES)
    .filter(([letter]) => paths[letter] && letter !== "a")
    .map(([letter, [name]]) => {
      const shape = svg("path", { d: paths[letter], class: name, "shape-rendering": "crispEdges" });
      if (textured.some((pattern) => pattern.id === `${id}-${name}`)) {
        shape.setAttribute("fill", `url(#${id}-${name})`);
        shape.removeAttribute("class");
      }
      return shape;
    });
  const names = regions
    .filter((region) => gutter && region.own)
    .map((region) =>
      svg("text", { x: columns * cell + 8, y: region.row * cell + 10, "font-size": 11 }, cut(region.name)),
    );
  const mark = svg("path", { class: "mark" });
  const cells = svg("g", { transform: `scale(${cell})` }, ...shapes, mark);
  drawing.setAttribute("width", columns * cell + gutter);
  drawing.setAttribute("height", rows * cell);
  drawing.replaceChildren(svg("defs", {}, ...textured), cells, ...names);
  return { columns, cell, mark };
}

function cut(name) {
  return name.length > 24 ? `${name.slice(0, 23)}…` : name;
}

/** A run in words: its region, whose pages they are, their bytes, and what became of them. */
function toldRun(run, page) {
  const pages = run.pages === 1 ? "1 page" : `${rendered(run.pages, "count")} pages`;
  const whose = run.module ? `, of ${run.module}` : "";
  return `${run.region.name}: ${size(run.pages * page)} (${pages}) ${STATES[run.letter][1]}${whose}`;
}

/** The bytes of each region by state, those with most of their own first, as a table. */
function mapTable(map, regions) {
  const letters = Object.keys(STATES).filter((letter) =>
    regions.some((region) => region.runs.some((run) => run.letter === letter)),
  );
  const bytes = (region, letter) =>
    map.page *
    region.runs.reduce((sum, run) => sum + (run.letter === letter ? run.pages : 0), 0);
  const rows = regions.map((region) => [
    region.name,
    ...letters.map((letter) => bytes(region, letter)),
  ]);
  const own = (row) =>
    letters.reduce((sum, letter, at) => sum + (NOT_ITS_OWN.includes(letter) ? 0 : row[at + 1]), 0);
  rows.sort((one, other) => own(other) - own(one));
  return table(
    "Memory by region",
    ["region", ...letters.map((letter) => STATES[letter][1])],
    rows.map(([name, ...amounts]) => [name, ...amounts.map(size)]),
    letters.map((_, at) => at + 1),
  );
}

/** What the colours mean, each with its bytes. */
function legend(map, regions) {
  const items = Object.entries(STATES).map(([letter, [name, words]]) => {
    const pages = regions
      .flatMap((region) => region.runs)
      .reduce((sum, run) => sum + (run.letter === letter ? run.pages : 0), 0);
    if (!pages || letter === "a") {
      return "";
    }
    const id = `map${pictures++}`;
    const textured = textures(id, 1).filter((pattern) => pattern.id === `${id}-${name}`);
    const box = svg("rect", { width: 16, height: 12, class: name });
    if (textured.length) {
      box.setAttribute("fill", `url(#${id}-${name})`);
      box.removeAttribute("class");
    }
    const swatch = svg("svg", { width: 16, height: 12, "aria-hidden": true }, ...textured, box);
    return html("li", {}, swatch, `${words} ${size(pages * map.page)}`);
  });
  return html("ul", { class: "legend" }, ...items.filter(Boolean));
}

/** The picture of a memory map, its legend, and the same as a table. */
function memoryMap(map) {
  const regions = regionsOf(map).filter((region) => region.runs.length);
  const runs = regions.flatMap((region) => region.runs.map((run) => Object.assign(run, { region })));
  const drawing = svg("svg", { "aria-hidden": true });
  let drawn = null;
  let width = 0;
  const figure = stepping(drawing, "Memory map, by runs of pages", {
    count: runs.length,
    tell: (part) => toldRun(runs[part], map.page),
    show: (part) => drawn?.mark.setAttribute("d", outline(runs[part].first, runs[part].cells, drawn.columns)),
    find: (event) => {
      const box = drawing.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / drawn.cell);
      const y = Math.floor((event.clientY - box.top) / drawn.cell);
      const at = y * drawn.columns + x;
      return x < drawn.columns ? runs.findIndex((run) => at >= run.first && at < run.first + run.cells) : -1;
    },
    jump: (part, by) => {
      const next = regions.indexOf(runs[part].region) + by;
      const region = regions[Math.min(Math.max(next, 0), regions.length - 1)];
      return runs.indexOf(region.runs[0]);
    },
  });
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width !== width) {
      width = contentRect.width;
      drawn = drawMap(drawing, regions, width);
    }
  }).observe(figure.firstChild);
  return [
    html("p", {}, `Each square is a page of ${size(map.page)}, and every region begins a row.`),
    legend(map, regions),
    figure,
    folded("The map as a table", mapTable(map, regions)),
  ];
}
