// Both videos on one clock: side by side, a wipe, or where they differ.

const DRIFT_SECONDS = 0.04;

function makePlayer({ onFrame }) {
  let videos = [], heat = null, told = null, index = 0, getHeat = null, run = 0;
  const view = h("div#player.player", { dataset: { mode: "side" } });
  const modes = segments("View", [["side", "Side by side"], ["wipe", "Wipe"], ["heat", "Difference"]], "side", setMode);
  const play = h("button#play.round", { type: "button", title: "Play or pause (space)", "aria-label": "Play", onclick: toggle }, "▶");
  const back = h("button#step-back.round", { type: "button", title: "One frame back (left arrow)", "aria-label": "One frame back", onclick: () => step(-1) }, "‹");
  const forth = h("button#step-forth.round", { type: "button", title: "One frame on (right arrow)", "aria-label": "One frame on", onclick: () => step(1) }, "›");
  const rate = h("select#rate", { "aria-label": "Speed", onchange: () => videos.forEach((one) => { one.playbackRate = Number(rate.value); }) },
    [["0.25", "¼×"], ["0.5", "½×"], ["1", "1×"], ["2", "2×"]].map(([value, text]) => h("option", { value, selected: value === "1" }, text)));
  const scrub = slider("scrub", "Frame", { tell: (index) => told ? `${told.start + index} / ${told.start + told.frames - 1}` : "", oninput: (index) => { pause(); seek(index); } });
  const wipe = h("input#wipe", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Position of the wipe", oninput: () => setWipe(Number(wipe.value)) });
  const bar = h("div.player-bar", modes);
  const root = h("div.player-box", bar, view, h("div.transport", back, play, forth, scrub, rate));
  const handle = h("div.wipe-handle", { "aria-hidden": "true" });

  const master = () => videos[0];
  const timeOf = (frame) => (frame + 0.5) / told.fps;

  function show(result, askHeat) {
    run += 1;
    told = result;
    getHeat = askHeat;
    heat = null;
    index = 0;
    const panes = result.models.map((model, number) => {
      const video = h("video", { src: fileAddress(model.video), muted: true, playsInline: true, preload: "auto", dataset: { model: model.label } });
      video.setAttribute("aria-label", `Clip with what ${model.label} found`);
      return h(`figure.pane.${number ? "second" : "first"}`, { style: `--ratio:${result.width / result.height}` },
        h("figcaption", h("span.pane-name", title(model.label)), h("span.pane-text", model.speed ? `${model.speed.fps} fps` : "")), h("div.pane-picture", video));
    });
    videos = panes.map((pane) => pane.querySelector("video"));
    view.replaceChildren(...panes);
    if (videos.length > 1) view.append(handle, wipe);
    modes.hidden = videos.length < 2;
    view.style.setProperty("--ratio", result.width / result.height);
    scrub.set(0, result.frames - 1);
    master().addEventListener("pause", showPlaying);
    master().addEventListener("play", showPlaying);
    master().addEventListener("ended", restart);
    const first = master();
    first.addEventListener("loadeddata", () => seek(0), { once: true });
    setMode(videos.length > 1 ? (view.dataset.mode === "heat" ? "side" : view.dataset.mode) : "side");
    setWipe(50);
    requestAnimationFrame(() => tick(run));
  }

  function all() { return heat ? [...videos, heat] : videos; }

  function tick(number) {
    if (number !== run || !root.isConnected && !view.isConnected) return;
    const time = master().currentTime;
    if (!master().paused) {
      for (const one of all().slice(1)) {
        const last = Math.min(time, (one.duration || time) - 0.001);
        if (Math.abs(one.currentTime - last) > DRIFT_SECONDS && !one.seeking) one.currentTime = last;
        if (one.paused && last < (one.duration || 0) - 0.05) one.play().catch(() => {});
      }
      tell(Math.min(told.frames - 1, Math.floor(time * told.fps + 1e-3)));
    }
    requestAnimationFrame(() => tick(number));
  }

  function restart() { for (const one of all()) one.currentTime = 0; master().play().catch(() => {}); }

  function tell(frame) {
    if (frame === index) return;
    index = frame;
    scrub.set(frame);
    onFrame(frame);
  }

  function seek(frame) {
    const target = Math.min(Math.max(frame, 0), told.frames - 1);
    for (const one of all()) one.currentTime = Math.min(timeOf(target), Math.max(0, (one.duration || 1e9) - 0.001));
    index = -1;
    tell(target);
  }

  function pause() { all().forEach((one) => one.pause()); }
  function toggle() { if (master().paused) { all().forEach((one) => one.play().catch(() => {})); } else { pause(); seek(index); } }
  function step(by) { pause(); seek(index + by); }
  function showPlaying() { play.textContent = master().paused ? "▶" : "❚❚"; play.setAttribute("aria-label", master().paused ? "Play" : "Pause"); }

  function setMode(mode) {
    modes.set(mode);
    view.dataset.mode = mode;
    if (mode === "heat" && !heat) loadHeat();
    onFrame(index, mode);
  }

  async function loadHeat() {
    const number = run;
    const pane = h("figure.pane.heat", { style: `--ratio:${told.width / told.height}` }, h("figcaption", h("span.pane-name", "Difference"), h("span.pane-text", "being drawn")));
    view.append(pane);
    const answer = await getHeat();
    if (number !== run) return;
    if (!answer) { pane.remove(); setMode("side"); return; }
    heat = h("video", { src: fileAddress(answer.path), muted: true, playsInline: true, preload: "auto" });
    heat.setAttribute("aria-label", "Clip with the pixels in which the models differ");
    heat.addEventListener("loadeddata", () => { heat.currentTime = master().currentTime; }, { once: true });
    pane.append(h("div.pane-picture", heat));
    pane.querySelector(".pane-text").textContent = "brighter where the masks differ more";
  }

  function setWipe(share) { view.style.setProperty("--wipe", `${share}%`); wipe.value = share; }
  return { root, bar, show, seek, step, toggle, pause, setMode, frame: () => index, mode: () => view.dataset.mode };
}
