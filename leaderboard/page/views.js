// What lies below the table: two models compared, costs, the ablation, progress, published numbers.

const VIEWS = { compare: "Compare two", costs: "Objects and length", ablation: "Ablation", time: "Over time", published: "Published numbers", submit: "Submit a result" };

function views(app) {
  const { state } = app;
  const panel = h("div.panel");
  const tab = (key) => h("button", { type: "button", role: "tab", "aria-selected": String(state.view === key),
    onclick: () => app.change({ view: key }) }, VIEWS[key]);
  const section = h("section.views", h("div.segments", { role: "tablist" }, Object.keys(VIEWS).map(tab)), panel);
  return { section, fill: () => (FILLERS[state.view] ?? FILLERS.compare)(app, panel) };
}

const FILLERS = { compare: compareView, costs: costsView, ablation: ablationView, time: timeView, published: publishedView, submit: submitView };

async function compareView(app, panel) {
  const { state } = app;
  const rows = app.comparable();
  if (rows.length < 2) return panel.append(h("p.muted", "It takes two results on this benchmark."));
  const [a, b] = app.pair();
  const options = rows.map((row) => [row.key, row.model + (row.is_latest ? "" : ` (${row.date})`)]);
  panel.append(h("div.inputs", choice("Model", options, a, (value) => app.change({ a: value, b })),
    h("button.quiet", { type: "button", title: "Swap", "aria-label": "Swap the two", onclick: () => app.change({ a: b, b: a }) }, "⇄"),
    choice("against", options, b, (value) => app.change({ a, b: value }))));
  const answer = await app.ask("compare", a, b);
  if (!answer || !panel.isConnected) return;
  const verdict = !answer.interval ? "One sequence says nothing about others."
    : answer.is_clear ? "It would hold on other clips of this kind." : "It may be chance: the interval holds 0.";
  const plot = h("div.plot");
  panel.append(h("div.columns.wide",
    h("div.left.stack", h("p.headline", h("b", answer.difference), " points of J&F"),
      answer.interval && h("p", "95 % interval ", h("b", answer.interval), " (paired bootstrap over sequences). ", verdict),
      h("p", `Better on ${answer.wins}, worse on ${answer.losses} sequences.`),
      answer.worst.length ? h("div", h("h4", "Worst sequences"), h("ul.ladder", answer.worst.map(([name, points]) => h("li", h("span", name), h("span", points))))) : null,
      h("p", "Records and commands: ", opener(app, a, app.rowOf(a).where), ", ", opener(app, b, app.rowOf(b).where))),
    h("div.right", plot)));
  draw(app, plot, answer.figure, (values) => values);
}

async function costsView(app, panel) {
  const answer = app.state.run && (await app.ask("costs", app.state.run));
  if (!panel.isConnected) return;
  const parts = answer ? [["Frames a second against objects", answer.by_objects], ["Latency against clip length", answer.by_length]] : [];
  if (!parts.some(([, figure]) => figure)) {
    return panel.append(h("p.muted", "This run has no such curves. They are measured with:"), copyable("python evaluation/run.py speed --objects 1,2,5,10"));
  }
  const plots = h("div.columns");
  panel.append(plots);
  for (const [title, figure] of parts) {
    if (!figure) continue;
    const plot = h("div.plot");
    plots.append(h("div", h("h4", title), plot));
    draw(app, plot, figure);
  }
  panel.append(copyable(answer.command, "Copy command"));
}

async function ablationView(app, panel) {
  const known = app.payload.ablations;
  if (!known.length) return panel.append(h("p.muted", "No ablation yet. One is made with:"), copyable("python -m vos_kd.ablation --recipe cpu --output leaderboard/results/ablation.json"));
  const plot = h("div.plot"), rest = h("div.stack");
  const show = async (id) => {
    const answer = await app.ask("ablation", id);
    if (!answer || !panel.isConnected) return;
    draw(app, plot, answer.figure);
    const head = ["Part of the method", "Seeds", "Student's J (%)", "Difference", "against", "Teacher's J (%)"];
    rest.replaceChildren(
      answer.is_complete ? "" : h("p.muted", "Not all runs are finished: rows without all seeds have no mean."),
      h("div.scroll", h("table.small", h("thead", h("tr", head.map((text, n) => h(n ? "th" : "th.name", text)))),
        h("tbody", answer.rows.map((line) => h("tr", line.map((cell, n) => h(n ? "td" : "th.name", cell))))))),
      copyable(answer.command, "Copy command"));
  };
  panel.append(h("p", "Each row adds a part of the method to the one that it is compared with; data, steps and seeds are the same. J on held-out clips, mean ± spread over seeds."));
  if (known.length > 1) panel.append(choice("Ablation", known.map((one) => [one.id, one.title]), known[0].id, show));
  else panel.append(h("p.muted", known[0].title));
  panel.append(plot, rest);
  await show(known[0].id);
}

async function timeView(app, panel) {
  const figure = await app.ask("over_time", app.state.benchmark);
  if (!figure || !panel.isConnected) return;
  const plot = h("div.plot");
  panel.append(plot);
  draw(app, plot, figure, (key) => app.open(key));
}

function publishedView(app, panel) {
  const head = ["Method", "Backbone", "Parameters (M)", "DAVIS-2016 J&F", "DAVIS-2017 J&F", "YouTube-VOS 2018 G", "2019 G", "FPS", "FPS measured on", "Source"];
  const line = (one) => h("tr", { title: one.note },
    h("th.name", one.method), h("td.text", one.backbone), [one.params, ...one.scores, one.fps].map((cell) => h("td", cell === "N/A" ? h("span.missing", cell) : cell)),
    h("td.text", one.fps_note), h("td.text", outside(one.source, new URL(one.source).hostname.replace(/^www\./, ""))));
  panel.append(
    h("p", "What other authors publish, each row with its source. Nothing here was measured by us; machines and training data differ from row to row, so speeds must not be compared."),
    h("div.scroll.tall", h("table.small", h("thead", h("tr", head.map((text, n) => h(n ? "th" : "th.name", text)))), h("tbody", app.payload.published.map(line)))),
    h("p.muted", "Of the paper that this project follows, only three ratios are known, from its abstract: up to 4x the speed, 1/20 of the parameters, 1/30 of the GFLOPs. ", outside(app.payload.paper.source, "Source")));
}
