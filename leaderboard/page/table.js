// The table: presets, columns, search, filters, order; a click on a row opens its details.

function tools(app, rows) {
  const { payload, state } = app;
  const flip = (key, on) => app.change({ [key]: state[key] ? "" : on });
  const toggle = (key, on, text, title, isOn = Boolean(state[key])) => h("button.chip", {
    type: "button", title, "aria-pressed": String(isOn), onclick: () => flip(key, on) }, text);
  const roles = LISTED(state.roles);
  const roleChip = (role) => h("button.chip", { type: "button", className: `chip ${role}`, "aria-pressed": String(roles.includes(role)),
    onclick: () => app.change({ roles: (roles.includes(role) ? roles.filter((one) => one !== role) : [...roles, role]).join(",") }) }, role);
  const preset = (name) => h("button", { type: "button", "aria-pressed": String(!state.columns && state.preset === name),
    onclick: () => app.change({ preset: name, columns: "", sort: "" }) }, name);
  return h("div.tools",
    h("input.search", { type: "search", placeholder: "Search models", value: state.search, "aria-label": "Search models",
      dataset: { focus: "search" }, oninput: (event) => app.changeSoon({ search: event.target.value }) }),
    h("div.segments", { role: "group", "aria-label": "Columns" }, Object.keys(payload.presets).map(preset)),
    columnMenu(app),
    h("div.chips", { role: "group", "aria-label": "Filters" }, ["student", "teacher", "baseline"].map(roleChip),
      toggle("weights", "hide", "no weights", "Networks without weights: speed and size only", !state.weights),
      toggle("older", "1", "older versions", "Results that a newer one of the same model has replaced"),
      toggle("published", "1", "published", "Numbers of other authors, each with its source; never ranked with ours")),
    exportMenu(app, rows));
}

/** A menu that closes when something else is clicked. */
function menu(label, content, name) {
  return h("details.menu", { dataset: { menu: name } }, h("summary", label), h("div.sheet", content));
}

function columnMenu(app) {
  const { payload } = app;
  const chosen = new Set(columnsOf(app));
  const flip = (key) => {
    const next = payload.columns.map((one) => one.key).filter((one) => (one === key) !== chosen.has(one));
    app.change({ columns: next.join(",") });
  };
  const groups = [...new Set(payload.columns.map((one) => one.group))];
  return menu("Columns", groups.map((group) => h("fieldset", h("legend", group),
    payload.columns.filter((one) => one.group === group).map((one) => h("label",
      h("input", { type: "checkbox", checked: chosen.has(one.key), onchange: () => flip(one.key) }), one.label)))), "columns");
}

function exportMenu(app, rows) {
  const { state } = app;
  const save = async (format) => {
    const parts = await app.ask("export", format, state.benchmark, state.run);
    if (!parts) return;
    const lines = rows.map((row) => parts.lines[row.key]).filter((line) => line !== undefined);
    download(`leaderboard.${format}`, parts.head + lines.join(parts.separator) + parts.foot, parts.media_type);
  };
  const button = (text, onclick) => h("button.item", { type: "button", onclick }, text);
  return menu("Export", [
    button("CSV", () => save("csv")), button("JSON", () => save("json")),
    button("LaTeX", () => save("tex")), button("Markdown", () => save("md")),
    button("Chart as HTML", async () => app.chart && download("chart.html", await figurePage(app, app.chart, "Accuracy against cost"), "text/html")),
    h("hr"),
    button("Copy link to this view", (event) => copyInto(event.target, permalink(state))),
    button("Copy BibTeX", (event) => copyInto(event.target, app.payload.bibtex)),
  ], "export");
}

async function copyInto(button, text) {
  const label = button.textContent;
  button.textContent = (await copy(text)) ? "Copied" : "Could not be copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}

function columnsOf(app) {
  const { payload, state } = app;
  const known = new Set(payload.columns.map((one) => one.key));
  const chosen = state.columns ? LISTED(state.columns) : payload.presets[state.preset] ?? payload.presets.Overview;
  return chosen.filter((key) => known.has(key));
}

function table(app, rows, front) {
  const { payload, state } = app;
  const columns = columnsOf(app).map((key) => payload.columns.find((one) => one.key === key));
  const metric = payload.columns.find((one) => one.key === metricOf(payload, state));
  const ranks = metric ? ranksOf(viewRows(payload, state), metric.key, metric.higher) : new Map();
  const [sortKey, direction] = sortOf(payload, state);
  const head = (key, text, title, higher = false) => {
    const isSorted = key === sortKey;
    const next = isSorted ? (direction > 0 ? "down" : "up") : higher ? "down" : "up";
    return h("th", { "aria-sort": isSorted ? (direction > 0 ? "ascending" : "descending") : "none", scope: "col", className: key === "model" ? "name" : "" },
      h("button", { type: "button", title, dataset: { sort: key }, onclick: () => app.change({ sort: `${key}:${next}` }) }, text,
        h("span.arrow", isSorted ? (direction > 0 ? " ▲" : " ▼") : "")));
  };
  const axes = [app.axis(state.y), app.axis(state.x)].map((one) => one?.label).join(" and ");
  const best = new Map(columns.map((one) => [one.key, Math.max(...rows.filter((row) => row.source === "measured").map((row) => row.values[one.key] ?? 0))]));
  const cell = (row, column) => h("td", { className: column.key === sortKey ? "sorted" : "" },
    row.text[column.key] === undefined ? h("span.missing", { title: "Not measured" }, "N/A") : [
      h("span.value", row.text[column.key]),
      row.text[`${column.key}_interval`] && h("small.interval", row.text[`${column.key}_interval`]),
      column.key === metric?.key && row.source === "measured" && bar(row, column, best)]);
  const line = (row) => h("tr", {
    className: `${row.source} ${row.role}` + (row.key === state.row ? " open" : "") + (row.entry && row.entry === payload.submitted ? " submitted" : ""),
    dataset: { key: row.key }, tabindex: 0, onclick: () => app.open(row.key),
    onkeydown: (event) => { if (event.key === "Enter") app.open(row.key); } },
    h("td.rank", ranks.get(row.key) ?? ""),
    h("th.name", { scope: "row" }, h("span.model", row.model), badges(row, payload)),
    columns.map((one) => cell(row, one)),
    h("td.front", front.has(row.key) ? h("span.dot", { title: `On the Pareto front of ${axes}` }, "●") : ""));
  const body = [];
  let group = null;
  for (const row of rows) {
    if (row.source !== group && row.source === "published") {
      body.push(h("tr.divider", h("td", { colSpan: columns.length + 3 },
        "Published by others: their machines, their training data. Not measured here, not ranked.")));
    }
    group = row.source;
    body.push(line(row));
  }
  if (!rows.length) body.push(h("tr.divider", h("td", { colSpan: columns.length + 3 }, "Nothing fits these filters. ",
    h("button.link", { type: "button", onclick: () => app.change({ search: "", roles: "", fps: "", params: "", weights: "" }) }, "Clear them"))));
  return h("div.scroll", h("table.board",
    h("thead", h("tr", h("th.rank", { scope: "col" }, "#"), head("model", "Model", "By name"),
      columns.map((one) => head(one.key, one.title, one.help, one.higher)),
      h("th.front", { scope: "col", title: `Pareto front of ${axes}: no other model is better in both` }, "Front"))),
    h("tbody", body)));
}

function bar(row, column, best) {
  const share = Math.max(0, Math.min(1, row.values[column.key] / (best.get(column.key) || 1)));
  return h("span.bar", { style: `width:${Math.round(100 * share)}%` });
}

function badges(row, payload) {
  const found = [h(`span.badge.${row.role}`, row.role)];
  if (row.source === "architecture") found.push(h("span.badge.plain", { title: "Speed, parameters and FLOPs only; no accuracy" }, "no weights"));
  if (!row.is_latest && row.source === "measured") found.push(h("span.badge.plain", row.date));
  if (row.entry && row.entry === payload.submitted) found.push(h("span.badge.preview", "your preview"));
  return found;
}
