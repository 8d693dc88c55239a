// Beside the stage: tools, objects, models, what a run would do, and the button for it.

const TOOLS = [
  ["select", "Select", "Drag a box around the object, or tap on it (B)"],
  ["exclude", "Exclude", "Tap what does not belong to it (X); also Shift or right button"],
  ["brush", "Brush", "Paint the object (P)"],
  ["erase", "Erase", "Paint what does not belong to it (E)"],
];

function makePanel({ stage, onEdit, onMask, onTruth, onModels, onRun }) {
  const state = { objects: [], active: 1, next: 1, models: [] };
  const tools = segments("Tool", TOOLS, "select", setTool);
  const brush = slider("brush-size", "Brush", { min: 4, max: 80, value: 18, tell: (n) => `${n} px`, oninput: (n) => { stage.state.brush = n; } });
  brush.hidden = true;
  const undo = h("button#undo.quiet", { type: "button", title: "Undo (Z)", onclick: () => onEdit({ kind: "undo" }) }, "Undo");
  const redo = h("button#redo.quiet", { type: "button", title: "Redo (Y)", onclick: () => onEdit({ kind: "redo" }) }, "Redo");
  const clear = h("button#clear.quiet", { type: "button", title: "Remove all marks", onclick: () => onEdit({ kind: "clear" }) }, "Clear");
  const list = h("ul#objects.objects", { "aria-label": "Objects" });
  const add = h("button#add-object.quiet", { type: "button", title: "Mark another object (N)", onclick: addObject }, "+ Another object");
  const mask = h("input#mask-file", { type: "file", accept: "image/png", "aria-label": "Mask PNG to upload", onchange: () => { if (mask.files[0]) onMask(mask.files[0]); mask.value = ""; } });
  const truth = h("input#truth-file", { type: "file", accept: ".zip", "aria-label": "Zip of truth masks to upload", onchange: () => { if (truth.files[0]) onTruth(truth.files[0]); truth.value = ""; } });
  const first = h("select#model-a", { "aria-label": "First model", onchange: () => pickModels() });
  const second = h("select#model-b", { "aria-label": "Second model", onchange: () => pickModels() });
  const plan = h("p#plan.plan", { role: "status" });
  const go = h("button#run.main", { type: "button", onclick: onRun }, "Run");
  const truthNote = h("span.fine");

  const root = h("div#panel.panel",
    h("div.group", tools, brush, h("div.row", undo, redo, clear)),
    h("div.group", h("h3", "Objects"), list, add),
    h("div.group.models", h("label", h("span", "Model"), first), h("label", h("span", "against"), second)),
    h("div.group.last", plan, go),
    h("details.more", h("summary", "Have masks already?"),
      h("label.file", h("b", "Mask of this frame"), h("span", "PNG: palette, grey, white on black, or transparent"), mask),
      h("label.file", h("b", "Truth of every frame"), h("span", "zip of PNGs; J and F are then shown"), truth, truthNote)));

  function setTool(tool) {
    tools.set(tool);
    stage.state.tool = tool;
    brush.hidden = tool !== "brush" && tool !== "erase";
    stage.root.dataset.tool = tool;
  }

  function addObject() {
    const used = new Set(state.objects.map((one) => one.id));
    let id = 1;
    while (used.has(id)) id += 1;
    activate(id);
  }

  function activate(id) {
    state.active = id;
    stage.state.object = id;
    stage.state.colour = colourOf(id);
    showObjects();
  }

  const colourOf = (id) => stage.state.palette?.[(id - 1) % stage.state.palette.length] ?? "#e69f00";

  function showObjects() {
    const shown = [...state.objects];
    if (!shown.some((one) => one.id === state.active)) shown.push({ id: state.active, name: `object ${state.active}`, colour: colourOf(state.active), isNew: true });
    list.replaceChildren(...shown.map((one) => h("li", { dataset: { object: one.id }, class: one.id === state.active ? "active" : "" },
      h("button.swatch", { type: "button", style: `--c:${one.colour}`, "aria-pressed": String(one.id === state.active), "aria-label": `Mark ${one.name}`, onclick: () => activate(one.id) }),
      one.isNew
        ? h("span.name", `${one.name}: mark it in the frame`)
        : h("input.name", { type: "text", value: one.name, maxLength: 40, "aria-label": `Name of object ${one.id}`, onfocus: () => { if (state.active !== one.id) { state.active = one.id; stage.state.object = one.id; stage.state.colour = one.colour; mark(one.id); } }, onchange: (event) => onEdit({ kind: "rename", object: one.id, name: event.target.value }) }),
      !one.isNew && h("button.bin", { type: "button", title: `Delete ${one.name}`, "aria-label": `Delete ${one.name}`, onclick: () => onEdit({ kind: "remove", object: one.id }) }, "×"))));
  }

  function mark(id) { for (const li of list.children) li.className = Number(li.dataset.object) === id ? "active" : ""; }

  function showMarks(view) {
    const before = new Set(state.objects.map((one) => one.id));
    state.objects = view.objects;
    undo.disabled = !view.can_undo;
    redo.disabled = !view.can_redo;
    clear.disabled = !view.objects.length;
    // A deleted object is not marked by the next stroke by accident.
    if (before.has(state.active) && !view.objects.some((one) => one.id === state.active)) state.active = view.objects[0]?.id ?? 1;
    activate(state.active);
  }

  function fillModels(models) {
    const names = Object.keys(models);
    for (const select of [first, second]) select.replaceChildren(...names.map((name) => h("option", { value: name }, title(name))));
    second.append(h("option", { value: "" }, "nothing"));
    first.value = names[0];
    second.value = names[1] ?? "";
    state.models = chosen();
  }

  function chosen() { return [first.value, second.value].filter(Boolean); }

  function pickModels(a = first.value, b = second.value) {
    first.value = a;
    second.value = b === a ? [...second.options].map((one) => one.value).find((name) => name && name !== a) ?? "" : b;
    state.models = chosen();
    onModels();
  }

  function showPlan(told, clip) {
    const total = Object.values(told.seconds).reduce((sum, value) => sum + value, 0);
    const isKnown = state.models.every((name) => name in told.seconds);
    if (told.start === null) {
      plan.textContent = told.first_mark === null ? "Nothing is marked yet." : `The first mark is in frame ${told.first_mark}: stop after a later frame.`;
    } else {
      const isCut = told.end < told.asked_end;
      plan.replaceChildren(
        h("b", told.frames === told.of ? count(told.of, "frame") : `${told.frames} of ${told.of} frames`),
        told.frames === told.of ? "" : ` (${told.start} to ${told.end - 1})`,
        isKnown ? `, about ${duration(total)}` : "",
        isCut ? `. At most ${told.max_run_frames} are run at once.` : "",
        told.scaled ? `. Segmented at 480p or less; masks keep ${clip.width}×${clip.height}.` : "");
    }
    go.disabled = told.start === null;
  }

  function showTruth(has) { truthNote.textContent = has ? "There is truth for this clip." : ""; }

  showObjects();
  return { root, state, setTool, addObject, activate, showMarks, showPlan, showTruth, fillModels, pickModels, go };
}
