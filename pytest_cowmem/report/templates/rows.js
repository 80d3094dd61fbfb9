// The table of tests: sorted by a column, filtered by words, and opened row by row.

/** The details of all tests, in the order of the page's rows. */
async function unpacked(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) {
    bytes[at] = letters.charCodeAt(at); // a callback for each would take ten times as long
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** Put a row's details below it, or take them away. */
async function toggle(row, tests) {
  const button = row.firstElementChild.firstElementChild;
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    row.detail.remove();
    return;
  }
  if (!row.detail) {
    const test = (await tests)[row.place];
    const opened = html("div", { class: "opened" }, ...details(test));
    const cell = html("td", { class: "detail", colspan: row.cells.length }, opened);
    row.detail = html("tr", {}, cell);
  }
  row.after(row.detail);
}

/** What a row is sorted by in a column: an amount where it has one, else its text. */
function keyOf(row, column) {
  const cell = row.cells[column];
  const amount = cell.dataset.amount;
  return amount === undefined ? cell.textContent : Number(amount);
}

/** Numbers come before texts, which say that there is no number. */
function compare(one, other) {
  if (typeof one === typeof other) {
    return typeof one === "number" ? one - other : one.localeCompare(other);
  }
  return typeof one === "number" ? 1 : -1;
}

/** Sort by a column: the largest first, but for texts; again for the reverse. */
function sort(table, rows, column) {
  const headers = [...table.tHead.rows[0].cells];
  const before = headers[column].getAttribute("aria-sort");
  const first = rows.some((row) => row.cells[column].dataset.amount) ? "descending" : "ascending";
  const reverse = { ascending: "descending", descending: "ascending" };
  const order = before ? reverse[before] : first;
  headers.forEach((header) => header.removeAttribute("aria-sort"));
  headers[column].setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const keys = new Map(rows.map((row) => [row, keyOf(row, column)]));
  rows.sort((one, other) => sign * compare(keys.get(one), keys.get(other)) || one.place - other.place);
  const all = rows.flatMap((row) => (row.detail?.isConnected ? [row, row.detail] : [row]));
  table.tBodies[0].append(...all);
}

/** Hide the rows that do not have all words, and those that passed where failed ones are asked. */
function filter(form, rows, total) {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const failed = form.elements.shown.value === "failed";
  let count = 0;
  for (const row of rows) {
    const fits = words.every((word) => row.text.includes(word));
    row.hidden = !fits || (failed && !row.classList.contains("failed"));
    if (row.detail) {
      row.detail.hidden = row.hidden;
    }
    count += row.hidden ? 0 : 1;
  }
  form.querySelector("[role=status]").textContent = `${count} of ${total} tests`;
}

/** Make buttons of what the page has as text, and open the first test that failed. */
function start() {
  const form = document.querySelector(".filters");
  const table = document.querySelector(".tests");
  if (!table) {
    return;
  }
  const tests = unpacked(document.getElementById("data").textContent);
  const rows = [...table.tBodies[0].rows];
  rows.forEach((row, place) => {
    const name = row.cells[0];
    row.place = place;
    row.text = `${name.title} ${row.lastElementChild.textContent}`.toLowerCase();
    const button = html("button", { type: "button", "aria-expanded": "false" }, name.textContent);
    button.addEventListener("click", () => toggle(row, tests));
    name.replaceChildren(button);
  });
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = html("button", { type: "button" }, header.textContent);
    button.addEventListener("click", () => sort(table, rows, column));
    header.replaceChildren(button);
  });
  form.addEventListener("input", () => filter(form, rows, rows.length));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter(form, rows, rows.length);
  const first = rows.find((row) => row.classList.contains("failed"));
  if (first) {
    toggle(first, tests);
  }
}

start();
