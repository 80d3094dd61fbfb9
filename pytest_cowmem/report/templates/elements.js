// Elements of the page. What they hold is set as text, and never parsed.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. */
function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of a drawing. */
function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const MOST_ROWS = 12; // of a table before it is asked for the others

/**
 * A table that scrolls by itself where it is too wide. Cells are text or elements; those of
 * columns in `amounts`, numbers from 0, stand at the right.
 */
function table(caption, headers, rows, amounts = []) {
  const kind = (column) => (amounts.includes(column) ? { class: "amount" } : {});
  const head = headers.map((name, at) => html("th", { scope: "col", ...kind(at) }, name));
  const body = rows.map((cells) =>
    html(
      "tr",
      {},
      ...cells.map((cell, at) =>
        at === 0
          ? html("th", { scope: "row", ...kind(0) }, cell)
          : html("td", kind(at), cell),
      ),
    ),
  );
  const whole = html(
    "table",
    { "aria-label": caption },
    html("thead", {}, html("tr", {}, ...head)),
    html("tbody", {}, ...body),
  );
  const wide = { class: "wide", tabindex: 0, role: "group", "aria-label": caption };
  return html("div", {}, html("div", wide, whole), ...showingAll(body, caption));
}

/** Hide the rows after the first ones, and return a button that shows them. */
function showingAll(rows, caption) {
  const others = rows.slice(MOST_ROWS);
  if (!others.length) {
    return [];
  }
  others.forEach((row) => (row.hidden = true));
  const button = html(
    "button",
    { type: "button", "aria-label": `Show all ${rows.length} rows: ${caption}` },
    `show all ${rows.length}`,
  );
  button.addEventListener("click", () => {
    others.forEach((row) => (row.hidden = false));
    button.remove();
  });
  return [button];
}

/** What is out of sight until it is asked for. */
function folded(title, ...children) {
  return html("details", {}, html("summary", {}, title), ...children);
}
