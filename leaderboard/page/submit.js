// A result that the visitor sends: checked by the server, shown on the chart, and made the text of a pull request.

const MOST_JSON = 16 * 2 ** 20, MOST_ZIP = 200 * 2 ** 20; // bytes; the server has the same limits

function submitView(app, panel) {
  panel.append(h("p", "A result comes from a file in leaderboard/results. Measure with the command below; the file it writes can be checked and previewed here, and is added by a pull request."),
    copyable(app.payload.submit.command, "Copy command"));
  if (!app.source.submit) return panel.append(h("p.muted", "This is a page without a server: the check is part of the app."));
  const status = h("p", { role: "status" });
  const file = h("input", { type: "file", accept: ".json,.zip", "aria-label": "Result file", name: "result" });
  const name = h("input", { type: "text", maxLength: 80, placeholder: "for a zip of masks", "aria-label": "Model's name" });
  const datasets = app.payload.submit.datasets;
  const zip = h("div.inputs", { hidden: true }, h("label.field", h("span", "Model's name"), name),
    datasets.length ? choice("Data set", datasets.map((one) => [one, one]), datasets[0], () => {}, { name: "dataset" }) : null);
  const isZip = () => file.files[0]?.name.toLowerCase().endsWith(".zip");
  file.addEventListener("change", () => { zip.hidden = !isZip(); status.replaceChildren(); });
  const send = h("button.primary", { type: "button", onclick: async () => {
    const chosen = file.files[0];
    if (!chosen) return fail("Choose a file first.");
    const most = isZip() ? MOST_ZIP : MOST_JSON;
    if (chosen.size > most) return fail(`The file has ${(chosen.size / 2 ** 20).toFixed(1)} MiB; at most ${most / 2 ** 20} MiB are taken.`);
    send.disabled = true;
    status.className = "muted";
    status.textContent = isZip() ? "Scoring the masks; this takes a minute or so" : "Checking";
    try {
      const dataset = zip.querySelector("select")?.value ?? "";
      const answer = await app.source.submit(chosen, isZip() ? { dataset, name: name.value } : null);
      if (answer.error) return fail(answer.error);
      await app.source.preview(answer);
    } catch (error) {
      fail(`The server did not take the file (${error?.message ?? error}).`);
    } finally {
      send.disabled = false;
    }
  } }, "Check and preview");
  panel.append(h("div.inputs", file, send), zip, status);
  const done = app.source.submitted;
  if (done) panel.append(h("div.columns", 
    h("div", h("h4", "The result is sound"), h("p", "It stands in the table and on the chart above, marked as your preview. Nobody else sees it."),
      h("ul.notes", done.notes.map((note) => h("li", note))),
      h("p", "Save the file as ", h("code", `leaderboard/results/${done.file_name}`), " and open a pull request with this text:"),
      h("button.quiet", { type: "button", onclick: () => app.source.preview(null) }, "Remove the preview")),
    h("div", copyable(done.pull_request, "Copy text"))));

  function fail(message) {
    status.className = "notice";
    status.textContent = message;
  }
}
