// From rows and choices to what is shown: filters, order, ranks and the Pareto front. Missing values are undefined.

const LISTED = (text) => text.split(",").filter(Boolean);

/** All rows of a view, whatever is searched for: ranks and the front are among these. */
function viewRows(payload, state) {
  const rows = payload.views[state.benchmark]?.[state.run]?.map((id) => payload.rows[id]) ?? [];
  return rows.filter((row) =>
    (row.source !== "published" || state.published) &&
    (row.source !== "architecture" || !state.weights) &&
    (row.is_latest || row.source !== "measured" || state.older));
}

/** Those that pass the filters as well, in order. */
function shownRows(payload, state) {
  const roles = LISTED(state.roles);
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = viewRows(payload, state).filter((row) =>
    (row.source === "published" || !roles.length || roles.includes(row.role)) &&
    withinBudget(row, state) &&
    words.every((word) => `${row.model} ${row.role} ${row.where} ${row.device}`.toLowerCase().includes(word)));
  return sorted(payload, kept, state);
}

/** A budget keeps what meets it; of what was not measured nobody knows whether it does. */
function withinBudget(row, state) {
  const fps = Number(state.fps), params = Number(state.params);
  return (!fps || row.values.fps_end_to_end >= fps) && (!params || row.values.params <= params * 1e6);
}

/** Measured rows first, then what has no weights, then what is published: they are never mixed. */
function sorted(payload, rows, state) {
  const [key, direction] = sortOf(payload, state);
  const groups = ["measured", "architecture", "published"];
  return [...rows].sort((one, other) => {
    const group = groups.indexOf(one.source) - groups.indexOf(other.source);
    if (group) return group;
    if (key === "model") return direction * one.model.localeCompare(other.model);
    const [a, b] = [one.values[key], other.values[key]];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.model.localeCompare(other.model);
    return direction * (a - b) || one.model.localeCompare(other.model);
  });
}

/** Key and direction (1 for rising); by default the benchmark's own measure, the best first. */
function sortOf(payload, state) {
  const [key, order] = state.sort.split(":");
  const column = payload.columns.find((one) => one.key === key);
  if (key === "model" || column) return [key, order === "up" ? 1 : -1];
  return [metricOf(payload, state), -1];
}

function metricOf(payload, state) {
  return payload.benchmarks.find((one) => one.id === state.benchmark)?.metric ?? "jf_mean";
}

/** Rank of each measured row by `key`; equal values share the best. */
function ranksOf(rows, key, higher) {
  const values = rows.filter((row) => row.source === "measured").map((row) => row.values[key]).filter((v) => v !== undefined);
  const rank = (value) => 1 + values.filter((other) => (higher ? other > value : other < value)).length;
  return new Map(rows.filter((row) => row.source === "measured" && row.values[key] !== undefined)
    .map((row) => [row.key, rank(row.values[key])]));
}

/** Keys of the measured rows that no other one beats in both columns; equal ones stay. */
function frontOf(rows, x, y) {
  const gain = (row, column) => row.values[column.key] * (column.higher ? 1 : -1);
  const points = rows
    .filter((row) => row.source === "measured" && row.values[x.key] !== undefined && row.values[y.key] !== undefined)
    .map((row) => ({ key: row.key, x: gain(row, x), y: gain(row, y) }));
  const isBeaten = (one) => points.some((other) =>
    other.x >= one.x && other.y >= one.y && (other.x > one.x || other.y > one.y));
  return new Set(points.filter((one) => !isBeaten(one)).map((one) => one.key));
}

/** Keys of the front of a view, by the axes that are chosen. */
function frontOfView(payload, state) {
  const [x, y] = [state.x, state.y].map((key) => payload.columns.find((one) => one.key === key));
  return x && y ? frontOf(viewRows(payload, state), x, y) : new Set();
}

/** The best model for the budget, and the ladder of those that are worth their cost, fastest last. */
function budgetOf(payload, state) {
  const metric = metricOf(payload, state);
  const all = (payload.views[state.benchmark]?.[state.run] ?? []).map((id) => payload.rows[id])
    .filter((row) => row.source === "measured" && row.is_latest && row.values[metric] !== undefined);
  const best = (rows) => rows.reduce((a, b) => (a && a.values[metric] >= b.values[metric] ? a : b), null);
  const speed = payload.columns.find((one) => one.key === "fps_end_to_end");
  const column = payload.columns.find((one) => one.key === metric);
  const front = speed && column ? frontOf(all, speed, column) : new Set();
  const ladder = all.filter((row) => front.has(row.key))
    .sort((one, other) => one.values.fps_end_to_end - other.values.fps_end_to_end);
  return { pick: best(all.filter((row) => withinBudget(row, state))), ladder, metric, count: all.length };
}
