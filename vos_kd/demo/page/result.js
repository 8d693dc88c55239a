// What came of a run: the headline, curves, speed, and what can be taken away.

function makeResult({ player, onCorrect, onAgain }) {
  const headline = h("p#headline.headline", { role: "status" });
  const notes = h("div.notes");
  const onFrame = (index) => { player.pause(); player.seek(index); };
  const agreement = makeCurve("agreement", "Agreement (IoU)", { onFrame });
  const accuracy = makeCurve("accuracy", "Accuracy (J)", { onFrame });
  const latency = makeCurve("latency", "Time a frame", { onFrame });
  const speed = h("div#speed.scroll");
  const downloads = h("div#downloads.downloads");
  const reproduce = h("div.codes");
  const correct = h("button#correct.quiet", { type: "button", title: "Mend the first model's mask of this frame; both models then go on from there", onclick: onCorrect }, "Correct frame");
  const again = h("button#again.quiet", { type: "button", onclick: onAgain }, "Change marks");
  player.bar.append(h("div.row", correct, again));
  const root = h("section#result.result", headline, notes, player.root,
    h("div.curves", accuracy.root, agreement.root, latency.root),
    h("div.sheets",
      h("section.sheet", h("h3", "Speed on this machine"), speed),
      h("section.sheet", h("h3", "Take away"), downloads),
      h("section.sheet.wide", h("h3", "Reproduce"), reproduce)));
  let told = null;

  function show(result, models, isExample) {
    told = result;
    player.show(result, () => attempt(() => desk.ask("make", { what: "difference" })));
    headline.replaceChildren(...sentence(result));
    notes.replaceChildren(...result.warnings.map((text) => h("p.warning", text)),
      result.is_stopped && h("p.warning", `Stopped: ${result.models.map((one) => `${one.label} has ${one.done} of ${result.planned} frames`).join(", ")}. All of it is kept.`) || "");
    const [first, second] = result.models;
    agreement.root.hidden = !second;
    if (second) agreement.show({ lines: [{ name: `${first.label} against ${second.label}, mean over objects`, colour: "--ink", values: second.agreement }], low: 0, high: 1, given: result.given, tell: (value) => percent(value, 0) }, result.start, result.frames);
    accuracy.root.hidden = first.j_mean === null;
    if (first.j_mean !== null) accuracy.show({ lines: result.models.map((one, place) => ({ name: `${one.label}, mean ${percent(one.j_mean, 1)}`, colour: colour(place), values: one.j })), low: 0, high: 1, given: result.given, tell: (value) => percent(value, 0) }, result.start, result.frames);
    // The first frame starts things up; it would flatten all others.
    const rest = result.models.flatMap((one) => one.latency.slice(1)).sort((a, b) => a - b);
    const high = (rest[Math.floor(0.99 * rest.length)] ?? 1) * 1.25;
    latency.show({ lines: result.models.map((one, place) => ({ name: `${one.label}, median ${milliseconds(one.speed.step.median)}`, colour: colour(place), values: one.latency })), low: 0, high, given: [], tell: milliseconds }, result.start, result.frames);
    showSpeed(result, models);
    showDownloads(result, isExample);
    reproduce.replaceChildren(
      h("div", h("p.fine", "On the command line, in the unpacked masks.zip with the clip beside it"), code("command", result.command)),
      h("div", h("p.fine", "From Python with gradio_client, on this server"), code("snippet", result.snippet)));
  }

  const colour = (place) => place ? "--teacher" : "--student";
  const milliseconds = (value) => value < 1000 ? `${value.toFixed(value < 100 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`;
  const spread = ({ median, p95 }) => [milliseconds(median), h("small", ` (${milliseconds(p95)})`)];

  /** A model's name in its colour. */
  const named = (result, name) => h("b", { style: `color:var(${colour(result.models.findIndex((one) => one.label === name))})` }, title(name));

  function sentence(result) {
    const parts = [];
    const [first, second] = result.models;
    if (result.speed_up) {
      const { fast, slow, factor } = result.speed_up;
      parts.push(named(result, fast), " is ", h("b", `${factor.toFixed(1)} times as fast as `), named(result, slow));
    } else {
      parts.push(named(result, first.label), ` took ${milliseconds(first.speed.step.median)} a frame`);
    }
    if (result.mean_agreement !== null) parts.push("; their masks agree to ", h("b", percent(result.mean_agreement, 0)));
    parts.push(".");
    if (first.j_mean !== null) {
      const jf = (one) => (50 * (one.j_mean + one.f_mean)).toFixed(1);
      parts.push(" Against the truth, J&F is ", h("b", jf(first)), " for ", named(result, first.label),
        ...(second?.j_mean != null ? [" and ", h("b", jf(second)), " for ", named(result, second.label)] : []), ".");
    }
    return parts;
  }

  function showSpeed(result, models) {
    const rows = [
      ["Network only", (one) => spread(one.speed.network)],
      ["Frame in, mask out", (one) => spread(one.speed.step)],
      ["End to end, video in and out", (one) => spread(one.speed.end_to_end)],
      ["Frames a second, end to end", (one) => one.speed.fps],
      ["First frame", (one) => milliseconds(one.speed.first_ms)],
      ["Peak memory of the server", (one) => `${one.speed.peak_mib} MiB`],
      ["Parameters", (one) => `${((one.speed.parameters ?? 0) / 1e6).toFixed(2)} M`],
      ["GMACs a frame of 480×854", (one) => one.speed.gmacs?.toFixed(1) ?? "not counted"],
    ];
    const facts = result.models[0].speed;
    speed.replaceChildren(
      h("table", h("thead", h("tr", h("th", { scope: "col" }, ""), result.models.map((one, place) => h("th", { scope: "col" }, h("span.key", { style: `--c:var(${colour(place)})` }, one.label))))),
        h("tbody", rows.map(([name, tell]) => h("tr", h("th", { scope: "row" }, name), result.models.map((one) => h("td", tell(one))))))),
      h("p.fine", `${facts.device ?? ""}, ${count(facts.threads ?? 1, "thread")}, ${facts.dtype ?? ""}; segmented at ${result.segmented.map((size) => size.join("×")).join(" and ")}, ${count(result.objects, "object")}. Times are medians (p95) without the first frame. Models ran one after the other.`));
  }

  function showDownloads(result, isExample) {
    const item = (label, hint, what, model) => h("button.quiet.download", { type: "button", dataset: { what, model: model ?? "" }, onclick: (event) => fetchFile(event.currentTarget, what, model) }, h("b", label), h("span", hint));
    const group = (name, place, ...items) => h("div.download-group", h("span.key", { style: `--c:var(${place === null ? "--soft" : colour(place)})` }, name), h("div", items));
    const both = result.models.length > 1;
    downloads.replaceChildren(
      group(both ? "both" : "all", null, item("Masks", "zip: palette PNGs, COCO-RLE, manifest, prompts", "masks"),
        isExample && item("Clip", "mp4, as it was run", "clip"), both && item("Side by side", "mp4", "both"), both && item("Difference", "mp4", "difference")),
      ...result.models.map((one, place) => group(one.label, place,
        h("a.quiet.download", { href: fileAddress(one.video), download: `${one.label}-overlay.mp4`, dataset: { what: "overlay", model: one.label } }, h("b", "Overlay"), h("span", "mp4")),
        item("Cut-out", "transparent WebM", "webm", one.label), item("Cut-out frames", "zip of RGBA PNGs", "rgba", one.label))));
  }

  async function fetchFile(button, what, model) {
    button.disabled = true;
    button.classList.add("busy");
    const made = await attempt(() => desk.ask("make", { what, model }));
    if (made) h("a", { href: fileAddress(made.path), download: made.name }).click();
    button.disabled = false;
    button.classList.remove("busy");
  }

  function code(id, text) {
    const shown = h(`pre#${id}`, { tabIndex: 0 }, text);
    const copy = h("button.quiet.copy", { type: "button", onclick: async () => {
      // A page that came over plain http, or lies in a frame, may have no clipboard.
      const copied = await (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(() => true, () => false);
      if (!copied) getSelection().selectAllChildren(shown);
      copy.textContent = copied ? "Copied" : "Press Ctrl+C";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    } }, "Copy");
    return h("div.code", shown, copy);
  }

  function seek(index) { for (const one of [agreement, accuracy, latency]) one.seek(index); }
  return { root, show, seek, told: () => told, clear: () => { told = null; } };
}
