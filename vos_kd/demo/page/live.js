// While it runs: both panes fill, each with its own progress.

function makeLive({ onStop }) {
  const panes = h("div.panes");
  const note = h("p.live-note", { role: "status" });
  const stop = h("button#stop.main.stop", { type: "button", onclick: () => { stop.disabled = true; stop.textContent = "Stopping"; onStop(); } }, "Stop");
  const root = h("section#live.live", panes, h("div.live-foot", note, stop));
  let shown = [];

  /** `pictures`: what lies in a pane until its model has found something. */
  function start(models, ratio, pictures) {
    stop.disabled = false;
    stop.textContent = "Stop";
    note.textContent = "Starting";
    shown = models.map((name, index) => {
      const picture = h("img", { alt: `What ${name} found so far`, hidden: true });
      const bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${name}` });
      const text = h("span.pane-text", index ? `follows when ${models[0]} is done` : "");
      const score = h("span.pane-score");
      const root = h(`figure.pane.${index ? "second" : "first"}`, { style: `--ratio:${ratio}`, dataset: { model: name } },
        h("figcaption", h("span.pane-name", title(name)), score, text), h("div.pane-picture", pictures.map((src) => h("img.before", { src, alt: "" })), picture), bar);
      return { name, picture, bar, text, score, root, number: 0 };
    });
    panes.replaceChildren(...shown.map((one) => one.root));
  }

  function show(message) {
    if (message.phase === "waiting" && message.position > 0) {
      note.textContent = `${count(message.position, "run")} before yours` + (message.seconds_before ? `, about ${duration(message.seconds_before)}` : "");
    } else if (message.phase === "loading") {
      note.textContent = "Loading the network";
    } else {
      note.textContent = "Stop keeps what is done.";
    }
    for (const [index, told] of message.models.entries()) {
      const pane = shown[index];
      if (!pane) continue;
      if (told.picture && told.picture_number !== pane.number) {
        pane.picture.src = told.picture;
        pane.picture.hidden = false;
        pane.number = told.picture_number;
      }
      pane.bar.value = told.done / told.total;
      if (told.j_mean !== null) pane.score.textContent = `J&F ${(50 * (told.j_mean + told.f_mean)).toFixed(1)}`;
      if (!told.done) continue;
      pane.text.textContent = told.done < told.total
        ? `${told.done} / ${told.total} · ${told.fps} fps · ${duration(told.eta)} left`
        : `${count(told.done, "frame")} · ${told.fps} fps`;
    }
  }
  return { root, start, show };
}
