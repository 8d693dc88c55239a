// Nothing is loaded yet: a place to drop a clip, and the examples.

const CLIPS = "video/*,.mp4,.mov,.webm,.mkv,.avi,.gif,.zip";

function makeChoose({ onFile, onExample }) {
  const input = h("input#clip-file", { type: "file", accept: CLIPS, "aria-label": "Clip to upload",
    onchange: () => { if (input.files[0]) onFile(input.files[0]); input.value = ""; } });
  const accepted = h("span.fine");
  const limits = h("p.fine");
  const drop = h("label.drop", { htmlFor: "clip-file" },
    h("span.drop-mark", { "aria-hidden": "true" }, "+"),
    h("span.drop-text", h("b", "Drop a video here"), h("span", "or choose a file"), accepted), input);
  const cards = h("div.cards");
  const root = h("section#choose.choose",
    h("div.lead", h("h2", "Mark an object once. Watch two networks follow it."),
      h("p", "Pick a clip. A small student network and the large teacher that it learned from run on it, side by side.")),
    drop, limits, h("h3", "Or try one of these"), cards);

  for (const name of ["dragenter", "dragover"]) {
    root.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    root.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  }
  root.addEventListener("drop", (event) => { const file = event.dataTransfer?.files?.[0]; if (file) onFile(file); });

  function fill({ limits: told, examples }) {
    accepted.textContent = `mp4, mov, webm, mkv, avi, gif or a zip of images, up to ${told.upload_mib} MB and ${duration(told.seconds)}`;
    limits.textContent = `At most ${told.run_frames} frames are run at once, at up to ${told.short_side}p. `
      + `Your clip stays on this server and is deleted within ${duration(60 * told.idle_minutes)}.`;
    cards.replaceChildren(...examples.map((one) => {
      const picture = h("img", { alt: one.alt, hidden: true });
      const card = h("button.card", { type: "button", dataset: { example: one.name }, onclick: () => onExample(one.name) },
        h("span.card-picture", picture), h("span.card-title", one.title), h("span.card-text", one.challenge));
      desk.ask("card", { name: one.name }, { isIdle: true })
        .then((answer) => { picture.src = answer.picture; picture.hidden = false; }, () => {});
      return card;
    }));
  }
  return { root, fill };
}
