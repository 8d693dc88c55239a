// One result in full: its numbers by sequence and object, J over time, pictures, and how it came about.

async function details(app, panel) {
  const row = app.rowOf(app.state.row);
  if (!row) return;
  const close = h("button.quiet.close", { type: "button", "aria-label": "Close details", onclick: () => app.change({ row: "", sequence: "" }) }, "Close");
  const actions = h("div.actions");
  panel.append(h("header", h("h3", row.model, " ", badges(row, app.payload)), actions, close));
  if (row.source !== "published" && app.payload.runnable.includes(row.model)) {
    actions.append(h("button.primary", { type: "button", onclick: () => app.source.run(row.model) }, "Run this model"));
  }
  if (row.source === "published") return panel.append(publishedDetails(app, row));
  const answer = await app.ask("detail", row.key, app.state.run);
  if (!answer || !panel.isConnected) return;
  if (row.entry) {
    const rival = app.rivalOf(row);
    if (rival) actions.append(h("button.quiet", { type: "button", onclick: () => app.change({ view: "compare", a: row.key, b: rival.key }, "views") }, `Compare with ${rival.model}`));
    panel.append(h("div.columns", h("div.left"), h("div.right")));
    sequencesOf(app, panel, row, answer);
  }
  panel.append(provenance(answer.provenance));
}

function sequencesOf(app, panel, row, answer) {
  const names = [...new Set(answer.sequences.map(([name]) => name))];
  let chosen = names.includes(app.state.sequence) ? app.state.sequence : worstOf(answer) ?? names[0];
  const bars = h("div.plot"), curve = h("div.plot"), strip = h("div.strip");
  const picker = h("select", { "aria-label": "Sequence", onchange: () => choose(picker.value) }, names.map((name) => h("option", { value: name }, name)));
  const head = ["Sequence", "Object", "Frames", "J&F", "J", "J recall", "J decay", "F", "F recall", "F decay"];
  const lines = new Map();
  const tableBody = h("tbody", answer.sequences.map((line) => {
    const element = h("tr", { tabindex: 0, onclick: () => choose(line[0]), onkeydown: (event) => { if (event.key === "Enter") choose(line[0]); } }, line.map((cell, index) => h(index ? "td" : "th.name", cell)));
    lines.set(element, line[0]);
    return element;
  }));
  panel.querySelector(".left").append(h("h4", "By sequence"), bars);
  panel.querySelector(".right").append(
    h("h4", "Frame by frame: ", picker), curve, strip,
    h("details", { open: true }, h("summary", `Table of ${answer.sequences.length} objects, in %`),
      h("div.scroll", h("table.small", h("thead", h("tr", head.map((text, index) => h(index ? "th" : "th.name", text)))), tableBody))));
  draw(app, bars, answer.per_sequence, (name) => choose(name));
  choose(chosen, true);

  async function choose(name, isFirst = false) {
    chosen = name;
    picker.value = name;
    for (const [element, sequence] of lines) element.classList.toggle("open", sequence === name);
    if (!isFirst) app.keep({ sequence: name });
    const data = answer.per_frame.data.map((trace) => ({ ...trace, visible: trace.meta === name }));
    draw(app, curve, { ...answer.per_frame, data });
    strip.replaceChildren();
    if (answer.has_pictures) {
      const pictures = await app.source.ask("filmstrip", [row.key, name]).catch((error) => ({ error: String(error?.message ?? error) }));
      if (chosen === name) strip.replaceChildren(pictures.error ? h("p.muted", "No pictures: ", pictures.error) : filmstrip(pictures.frames));
    }
  }
}

function worstOf(answer) {
  const known = answer.sequences.filter((line) => line[3] !== "N/A");
  return known.length ? known.reduce((a, b) => (Number(a[3]) <= Number(b[3]) ? a : b))[0] : null;
}

function filmstrip(frames) {
  const kinds = [["truth", "Truth"], ["prediction", "Prediction"], ["difference", "Difference: red is missed, yellow too much"]];
  return h("div.film", kinds.map(([key, title]) => h("figure", h("figcaption", title), h("div.frames",
    frames.map((frame) => h("img", { src: frame[key], alt: `${title}, frame ${frame.frame}`, title: `frame ${frame.frame}`, loading: "lazy" }))))));
}

function provenance(found) {
  const facts = (part) => h("dl", part.facts.map(([name, text]) => [h("dt", name), h("dd", text)]));
  const block = (title, part) => part && h("div", h("h4", title), part.command && copyable(part.command, "Copy command"), facts(part));
  return h("div.columns.provenance", found.facts && block("How accuracy was measured", found), block("How speed was measured", found.speed));
}

function publishedDetails(app, row) {
  return h("div", h("p", "Published by its authors or by those whom the source names; not measured here. Their speed comes from other machines."),
    h("p", "Source: ", outside(row.where, row.where)));
}
