// Puts the page together, and draws again what a choice changes.

const SOON = 60; // ms of silence after typing

/** Show a leaderboard in `root`. `source` has ask(question, arguments), plotly(), plotlyText() and run(model). */
function mountLeaderboard(root, payload, source) {
  root.lbStop?.abort(); // what an earlier board in this place listens to
  const stop = root.lbStop = new AbortController();
  const app = { root, payload, source, state: readState(), chart: null, stop: stop.signal };
  let timer = 0;

  app.axis = (key) => payload.columns.find((one) => one.key === key);
  app.rowOf = (key) => Object.values(payload.rows).find((row) => row.key === key && row.run === app.state.run)
    ?? Object.values(payload.rows).find((row) => row.key === key);
  app.comparable = () => (payload.views[app.state.benchmark]?.[app.state.run] ?? []).map((id) => payload.rows[id]).filter((row) => row.entry);
  app.pair = () => {
    const keys = app.comparable().map((row) => row.key);
    const answers = payload.answers[app.state.benchmark]?.[app.state.run];
    const first = [app.state.a, answers?.student?.key, ...keys].find((key) => keys.includes(key));
    return [first, [app.state.b, answers?.teacher?.key, ...keys].find((key) => keys.includes(key) && key !== first) ?? first];
  };
  app.rivalOf = (row) => {
    const answers = payload.answers[app.state.benchmark]?.[app.state.run];
    const wanted = [answers?.teacher?.key, answers?.student?.key].filter((key) => key && key !== row.key);
    return app.comparable().find((one) => one.key === wanted[0]) ?? app.comparable().find((one) => one.key !== row.key);
  };
  app.ask = async (question, ...args) => {
    let answer;
    try {
      answer = await source.ask(question, args);
    } catch (error) {
      answer = { error: `The server did not answer (${error?.message ?? error}). Try again.` };
    }
    app.say(answer?.error ?? "");
    return answer?.error ? null : answer;
  };
  app.say = (message) => {
    const notice = root.querySelector(".notice");
    if (notice) Object.assign(notice, { textContent: message, hidden: !message });
  };
  /** Take a choice, note it in the address, draw again; `target` is scrolled to. */
  app.change = (changes, target) => {
    Object.assign(app.state, changes);
    settle(app);
    writeState(app.state, usual);
    render();
    if (target) root.querySelector(`.${target}`)?.scrollIntoView({ behavior: "smooth", block: "start" });
  };
  app.changeSoon = (changes) => {
    Object.assign(app.state, changes);
    clearTimeout(timer);
    timer = setTimeout(() => app.change({}), SOON);
  };
  app.keep = (changes) => { Object.assign(app.state, changes); writeState(app.state, usual); };
  app.open = (key) => app.change({ row: key, sequence: "" }, "details-panel");

  const usual = settle({ payload, state: { ...DEFAULTS } }).state;
  settle(app);
  const parts = { top: h("div.top"), cards: h("div"), plot: h("div.plot.main"), tools: h("div"), table: h("div"), details: h("div.details-panel"), views: h("div") };
  root.replaceChildren(parts.top, h("p.notice", { hidden: true, role: "alert" }), parts.cards,
    h("section.chart", h("div.axes"), parts.plot), parts.tools, parts.table, parts.details, parts.views, problems(payload));
  root.classList.toggle("is-empty", !payload.benchmarks.length);
  const drawn = {};
  render();
  watchColours(app, () => { drawn.chart = drawn.details = drawn.views = null; render(); });
  document.addEventListener("click", (event) => {
    for (const open of root.querySelectorAll("details.menu[open]")) if (!open.contains(event.target)) open.open = false;
  }, { signal: stop.signal });
  return app;

  function render() {
    const { state } = app;
    if (!payload.benchmarks.length) return renderEmpty();
    const rows = shownRows(payload, state);
    const front = frontOfView(payload, state);
    keepFocus(root, () => {
      parts.top.replaceChildren(topLine(app));
      parts.cards.replaceChildren(cards(app));
      parts.tools.replaceChildren(tools(app, rows));
      parts.table.replaceChildren(table(app, rows, front));
      root.querySelector(".axes").replaceChildren(axes(app));
    });
    // What costs a question is asked again only when what it depends on has changed.
    once("chart", [state.benchmark, state.run, state.x, state.y, rows.map((row) => row.key), [...front]], () => drawChart(rows));
    once("details", [state.row, state.run, state.benchmark], () => { parts.details.replaceChildren(); if (state.row) details(app, parts.details); });
    once("views", [state.view, state.benchmark, state.run, ...(state.view === "compare" ? app.pair() : [])], () => {
      const made = views(app);
      parts.views.replaceChildren(made.section);
      made.fill();
    });
  }

  function once(name, inputs, act) {
    const key = JSON.stringify(inputs);
    if (drawn[name] !== key) { drawn[name] = key; act(); }
  }

  async function drawChart(rows) {
    const { benchmark, run, x, y } = app.state;
    const figure = app.axis(x) && app.axis(y) && (await app.ask("trade_off", benchmark, run, x, y));
    if (!figure || app.state.x !== x || app.state.y !== y) return;
    const { figure: shown } = cutDown(app, figure, shownRows(payload, app.state));
    app.chart = shown;
    await draw(app, parts.plot, shown, (key) => app.open(key));
    root.dataset.painted = String((Number(root.dataset.painted) || 0) + 1);
  }

  function renderEmpty() {
    parts.cards.replaceChildren(h("section.card.empty", h("h3", "No results yet"),
      h("p", "The leaderboard shows what was measured, and nothing was measured here so far. This makes results; they appear in leaderboard/results:"),
      copyable(payload.make_results, "Copy command")));
    once("views", ["published"], () => {
      const panel = h("div.panel");
      publishedView(app, panel);
      parts.views.replaceChildren(h("section.views", h("h3", "Published numbers"), panel));
    });
    root.dataset.painted = "1";
  }
}

/** Choices that the board does not have (an old link) become the first ones that it has. */
function settle(app) {
  const { payload, state } = app;
  const pick = (value, known) => (known.includes(value) ? value : known[0] ?? "");
  state.benchmark = pick(state.benchmark, payload.benchmarks.map((one) => one.id));
  state.run = pick(state.run, payload.runs.map((one) => one.id));
  state.x = pick(state.x, payload.x_axes);
  state.y = pick(state.y || metricOf(payload, state), payload.y_axes);
  if (!(state.view in VIEWS)) state.view = "compare";
  if (state.row && !Object.values(payload.rows).some((row) => row.key === state.row)) state.row = "";
  return app;
}

function topLine(app) {
  const { payload, state } = app;
  const runs = payload.runs.map((run) => [run.id, `${run.label} · ${run.date} · ${run.models} model${run.models === 1 ? "" : "s"}`]);
  return h("div.bar-top",
    choice("Benchmark", payload.benchmarks.map((one) => [one.id, one.label]), state.benchmark, (benchmark) => app.change({ benchmark, y: "", row: "" }), { name: "benchmark" }),
    runs.length ? choice("Speed measured on", runs, state.run, (run) => app.change({ run }), { name: "run" }) : null);
}

function axes(app) {
  const { payload, state } = app;
  const options = (keys) => keys.map((key) => [key, app.axis(key).title]);
  const note = state.published && app.axis(state.x)?.is_speed ? "Published speeds come from other machines and are not drawn." : "Up and " + (app.axis(state.x)?.higher ? "right" : "left") + " is better; bubbles grow with the parameters.";
  return h("div.inputs", choice("Accuracy", options(payload.y_axes), state.y, (y) => app.change({ y }), { name: "y" }),
    choice("against", options(payload.x_axes), state.x, (x) => app.change({ x }), { name: "x" }), h("span.muted", note));
}

function problems(payload) {
  if (!payload.problems.length) return h("div");
  return h("details.problems", h("summary", `${payload.problems.length} file(s) left out`),
    h("ul", payload.problems.map(([file, message]) => h("li", h("b", file), ": ", message))));
}

/** Draw again without losing the cursor in an input that is being typed in. */
function keepFocus(root, act) {
  const active = document.activeElement;
  const name = root.contains(active) ? active.dataset.focus : null;
  const [start, end] = name && active.type === "search" ? [active.selectionStart, active.selectionEnd] : [];
  const sort = root.contains(active) ? active.dataset.sort : null;
  const open = [...root.querySelectorAll("details.menu[open]")].map((one) => one.dataset.menu);
  act();
  const again = name ? root.querySelector(`[data-focus="${name}"]`) : sort ? root.querySelector(`[data-sort="${sort}"]`) : null;
  again?.focus();
  if (start !== undefined && again) again.setSelectionRange(start, end);
  for (const one of open) { const found = root.querySelector(`details.menu[data-menu="${one}"]`); if (found) found.open = true; }
}

function watchColours(app, act) {
  const observer = new MutationObserver(act);
  for (const element of [document.documentElement, document.body]) observer.observe(element, { attributes: true, attributeFilter: ["class"] });
  app.stop.addEventListener("abort", () => observer.disconnect());
}
