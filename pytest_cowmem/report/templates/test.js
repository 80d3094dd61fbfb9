// What is shown of one test when its row is opened; report/detail.py makes the data.

/** All parts of a test that it has, each below its title. */
function details(test) {
  const mapped = test.map?.traced ? "Memory map, of the traced round" : "Memory map";
  return [
    html("p", { class: "code" }, test.test),
    ...sentences(test.said),
    ...sentences(test.why),
    ...(test.advice ?? []).map(([rule, text]) => html("p", {}, html("strong", {}, rule), `: ${text}`)),
    ...part(mapped, test.map, memoryMap, "whole"),
    ...part("Private bytes by line", test.lines, linesTable, "whole"),
    ...part("Private bytes by module", test.modules, modulesTable),
    ...part("Metrics", test.metrics, metricsTable),
    ...part("Containers that grew", test.containers, containersTable),
    ...part("Late imports", test.imports, importsTable),
    ...part("Modules with objects on copied pages", test.holders, residentsTable),
    ...part("Types of objects on copied pages", test.types, residentsTable),
    ...part("Private bytes over requests", test.ages, agesOf),
    ...part("Garbage collections", test.pauses, pausesOf, "whole"),
    ...part("Children", test.children, childrenTable),
    ...part("What if", test.policies, policiesTable, "whole"),
    ...part("Smallest regression caught", test.proofs, proofsTable),
    ...part("To measure it again", test.again, command),
    ...part("To accept it", test.accept, command),
  ];
}

/** A title and what is below it, as wide as it needs to be; nothing where the test has no data. */
function part(title, data, make, width = "half") {
  return data ? [html("section", { class: width }, html("h3", {}, title), ...[make(data)].flat())] : [];
}

function sentences(found) {
  return (found ?? []).map((sentence) => html("p", {}, sentence));
}

function command(text) {
  return html("pre", { tabindex: 0, role: "group", "aria-label": "command" }, text);
}

function metricsTable(metrics) {
  const rows = metrics.map(([name, unit, measured, budget, baseline, verdict]) => {
    const amounts = [measured, budget, baseline].map((it) => (it === null ? "-" : rendered(it, unit)));
    const known = measured !== null && baseline !== null;
    const change = known ? renderedChange(measured - baseline, unit) : "-";
    return [name, ...amounts, change, verdict];
  });
  const headers = ["metric", "measured", "budget", "baseline", "difference", "verdict"];
  return table("Metrics", headers, rows, [1, 2, 3, 4]);
}

function containersTable(containers) {
  const rows = containers.map(([name, place, before, after, unit, each, bytes]) => {
    const counts = `${rendered(before, "count")} → ${rendered(after, "count")} ${unit}`;
    const told = each ? `${counts} (${Number(each.toPrecision(6))} a request)` : counts;
    return [code(name), size(bytes), told, code(place)];
  });
  return table("Containers that grew", ["container", "bytes", "entries", "filled at"], rows, [1]);
}

function importsTable(imports) {
  const rows = imports.map(([name, place, bytes]) => [code(name), size(bytes), code(place)]);
  return table("Late imports", ["module", "bytes", "imported at"], rows, [1]);
}

function residentsTable(residents) {
  const rows = residents.map(([name, bytes, objects]) => [
    code(name),
    size(bytes),
    rendered(objects, "count"),
  ]);
  return table("Objects on copied pages", ["of", "bytes", "objects"], rows, [1, 2]);
}

function childrenTable(children) {
  const rows = children.map(([bytes, what, during]) => [code(what), size(bytes), during]);
  return table("Children", ["child", "private", "begun while the worker was"], rows, [1]);
}

function policiesTable({ columns, failed }) {
  const names = Object.keys(columns);
  const rows = columns.policy.map((_, at) => names.map((name) => columns[name][at]));
  const amounts = names.map((_, at) => at).slice(1);
  return [table("What if", names, rows, amounts), ...sentences(failed)];
}

function proofsTable(proofs) {
  return table("Smallest regression caught", ["kind", "planted"], proofs, [1]);
}
