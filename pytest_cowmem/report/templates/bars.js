// Tables of lines and modules, with a bar beside each amount.

/** A cell with a bar for each [bytes, class], all beside the `most`. */
function bars(amounts, most) {
  const drawn = amounts.map(([bytes, kind]) => {
    const bar = html("i", kind ? { class: kind } : {});
    bar.style.width = `${(100 * Math.max(bytes, 0)) / Math.max(most, 1)}%`;
    return bar;
  });
  return html("div", { class: "bar", "aria-hidden": true }, ...drawn);
}

/** The lines of the app and the collections, with the bytes that they made private. */
function linesTable(lines) {
  const most = Math.max(...lines.map(([, , , bytes]) => bytes));
  const tells = lines.some(([, , , , added]) => added !== null);
  const rows = lines.map(([place, name, under, bytes, added]) => [
    code(place),
    size(bytes),
    ...(tells ? [added === null ? "-" : size(added)] : []),
    bars([[bytes]], most),
    code(name),
    code(under),
  ]);
  const headers = ["line", "private", ...(tells ? ["new"] : []), "share", "function", "most of it under"];
  return table("Private bytes by line", headers, rows, tells ? [1, 2] : [1]);
}

/** Private bytes by module, beside the baseline's where it has them. */
function modulesTable(modules) {
  const known = modules.some(([, , before]) => before !== null);
  const most = Math.max(...modules.map(([, now, before]) => Math.max(now, before ?? 0)));
  const rows = modules.map(([name, now, before]) =>
    known
      ? [
          code(name),
          size(now),
          size(before),
          renderedChange(now - before, "bytes"),
          bars([[now], [before, "before"]], most),
        ]
      : [code(name), size(now), bars([[now]], most)],
  );
  const compared = known ? ["baseline", "change", "now and baseline"] : ["share"];
  const headers = ["module", "private", ...compared];
  return table("Private bytes by module", headers, rows, known ? [1, 2, 3] : [1]);
}

function code(text) {
  return html("span", { class: "code" }, text);
}
