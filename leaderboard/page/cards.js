// The first lines: what the teacher costs, what the student loses, which model fits a budget.

function cards(app) {
  const answers = app.payload.answers[app.state.benchmark]?.[app.state.run];
  return h("div.cards", costCard(app, answers), lossCard(app, answers), budgetCard(app));
}

function card(title, ...content) {
  return h("section.card", h("h3", title), ...content);
}

function costCard(app, answers) {
  const costs = answers?.costs;
  const rows = [];
  for (const role of ["teacher", "yardstick", "peer"]) if (costs?.[role]) rows.push([costs[`${role}_name`], costs[`${role}_key`], costs[role].student]);
  const paper = app.payload.paper;
  const table = h("table.ratios",
    h("thead", h("tr", h("th", "Student"), paper.names.map((name) => h("th", name)))),
    h("tbody",
      rows.map(([name, key, values]) => h("tr", h("th", "against ", opener(app, key, name)), values.map((value) => h("td", value)))),
      h("tr.foreign", { title: "The abstract states these ratios and no other number" },
        h("th", outside(paper.source, "paper"), h("small", " abstract only")), paper.ratios.map((value) => h("td", value)))));
  const [slower, larger, costlier] = costs?.teacher?.other ?? [];
  const known = (value) => value && value !== "N/A";
  const headline = costs?.teacher
    ? h("p.headline", known(slower) ? [h("b", slower), " slower, "] : "speed not compared, ", known(larger) ? [h("b", larger), " larger"] : "size not known")
    : h("p.headline.muted", "No teacher and student in one run yet");
  const work = known(costlier) && h("p", `${costlier} the operations a frame.`, known(slower) && [" Both timed in ", opener(app, answers.teacher.key, "one run"), "."]);
  return card("What the teacher costs", headline, work, table);
}

function lossCard(app, answers) {
  const loss = answers?.loss;
  if (!loss) {
    return card("What the student loses", h("p.headline.muted", "Not measured"),
      h("p", "It takes results of a teacher and a student on this benchmark."));
  }
  const show = () => app.change({ view: "compare", a: answers.student.key, b: answers.teacher.key }, "views");
  return card("What the student loses",
    h("p.headline", h("b", loss.points), " points of J&F"),
    h("p", `${loss.student_jf} % instead of ${loss.teacher_jf} %`,
      loss.interval && h("span", { title: "Paired bootstrap over sequences" }, `, 95 % interval ${loss.interval}`)),
    h("p", `Better on ${loss.wins} of ${loss.sequences} sequences`, loss.worst && `, worst on ${loss.worst.sequence} (${loss.worst.points})`, ". ",
      h("button.link", { type: "button", onclick: show }, "See each sequence")));
}

function budgetCard(app) {
  const { payload, state } = app;
  const { pick, ladder, metric, count } = budgetOf(payload, state);
  const label = payload.columns.find((one) => one.key === metric)?.label ?? "J&F";
  const number = (key, text, unit) => h("label.field", h("span", text),
    h("span.unit", h("input", { type: "number", min: 0, step: "any", value: state[key], placeholder: "any", "aria-label": `${text} (${unit})`,
      dataset: { focus: `budget-${key}` }, oninput: (event) => app.changeSoon({ [key]: event.target.value }) }), unit));
  const inputs = h("div.inputs", number("fps", "At least", "FPS"), number("params", "At most", "M parameters"));
  if (!count) return card("Which one for your budget", inputs, h("p.headline.muted", "No results yet"));
  const headline = pick
    ? h("p.headline", "Take ", h("button.link", { type: "button", onclick: () => app.open(pick.key) }, h("b", pick.model)), `: ${pick.text[metric]} % ${label}`)
    : h("p.headline.muted", "Nothing measured here fits");
  const fastest = ladder.slice(-4);
  const listed = !pick || fastest.includes(pick) || !ladder.includes(pick) ? fastest : [pick, ...fastest.slice(-3)];
  const steps = listed.map((row) => h("li", { className: pick?.key === row.key ? "picked" : "" },
    h("span", `up to ${row.text.fps_end_to_end} FPS`), h("span", row.model), h("span", `${row.text[metric]} %`)));
  return card("Which one for your budget", inputs, headline,
    steps.length ? h("ul.ladder", { title: "The models that no other one beats in both accuracy and speed" }, steps)
      : h("p", "Their speed was not measured on one machine yet."));
}
