"use strict";
// Amounts for people, as model/units.py renders them.

const SIZES = [["B", 1], ["KiB", 2 ** 10], ["MiB", 2 ** 20], ["GiB", 2 ** 30]];
const TIMES = [["ns", 1], ["us", 1e3], ["ms", 1e6], ["s", 1e9]];

/** "1.25 MiB" of bytes, "310 us" of nanoseconds ("ns"), "1,200" of a count. */
function rendered(amount, unit) {
  if (unit === "count") {
    return amount.toLocaleString("en-US");
  }
  const units = unit === "ns" ? TIMES : SIZES;
  const [name, factor] = units.findLast(([, least]) => Math.abs(amount) >= least) ?? units[0];
  const scaled = amount / factor;
  const whole = String(Math.trunc(Math.abs(scaled))).length;
  const digits = factor === 1 ? 0 : Math.max(3 - whole, 0);
  const format = {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    roundingMode: "halfEven",
  };
  return `${scaled.toLocaleString("en-US", format)} ${name}`;
}

/** A difference with its sign. */
function renderedChange(amount, unit) {
  return (amount > 0 ? "+" : "") + rendered(amount, unit);
}

function size(bytes) {
  return rendered(bytes, "bytes");
}
