// The page as a whole: which part is shown, and what leads from one to the next.

const root = element.querySelector(".vk");
if (!document.getElementById("vk-style")) document.head.append(h("style#vk-style", STYLE));

const app = { hello: null, clip: null, example: null, frame: 0, runNumber: Date.now(), silence: 0, isRunning: false, view: "choose" };
const alertBox = h("div#alert.alert", { role: "alert", hidden: true });
const busy = h("div.busy-line", { "aria-hidden": "true" });

const choose = makeChoose({ onFile: openFile, onExample: openExample });
const stage = makeStage({ onEdit: edit });
const panel = makePanel({ stage, onEdit: edit, onMask: (file) => sendFile("mask", file), onTruth: (file) => sendFile("truth", file), onModels: refreshPlan, onRun: run });
const live = makeLive({ onStop: () => desk.ask("stop").catch(() => {}) });
const player = makePlayer({ onFrame: (index, mode) => { result.seek(index); remember(index, mode); } });
const result = makeResult({ player, attempt, onCorrect: correct, onAgain: () => show("mark") });

const clipName = h("b#clip-name");
const clipFacts = h("span.fine");
const change = h("button#change-clip.quiet", { type: "button", onclick: leave }, "Another clip");
const toResult = h("button#to-result.quiet", { type: "button", hidden: true, onclick: () => show("result") }, "Back to the result");
const bar = h("header.clip-bar", h("div", clipName, clipFacts), h("div.row", toResult, change));
const frameSlider = slider("frame", "Frame to mark", { oninput: (index) => showFrame(index) });
const endSlider = slider("end", "Stop after", { min: 1, oninput: () => refreshPlan() });
const marked = h("p.fine.marked");
const mark = h("section#mark.mark", h("div.stage-column", stage.root, h("div.timeline", frameSlider, endSlider, marked)), panel.root);
root.replaceChildren(alertBox, busy, choose.root, bar, mark, live.root, result.root);
desk.onBusy((is) => busy.classList.toggle("on", is));
show("choose");

desk.ask("hello").then((told) => {
  app.hello = told;
  choose.fill(told);
  panel.fillModels(told.models);
  root.dataset.ready = "";
  fromAddress();
}, report);

// ---- what is shown

function show(view) {
  app.view = view;
  root.dataset.view = view;
  if (view !== "result") player.pause();
  toResult.hidden = !(view === "mark" && result.told());
  if (view === "result") remember(player.frame(), player.mode());
}

function report(error) {
  if (!(error instanceof Refused)) console.error(error);
  alertBox.replaceChildren(h("p", error instanceof Refused ? error.message : `The page failed (${error.message}). Reload it.`),
    h("button.bin", { type: "button", "aria-label": "Dismiss", onclick: () => { alertBox.hidden = true; } }, "×"));
  alertBox.hidden = false;
}

/** Do what the server has to agree to; what it refuses is told, and nothing else changes. */
async function attempt(action) {
  try {
    const value = await action();
    alertBox.hidden = true;
    return value;
  } catch (error) {
    report(error);
    return null;
  }
}

// ---- a clip

async function openFile(file) {
  root.classList.add("loading");
  await attempt(async () => begin(await desk.ask("open", { path: await send(file), name: file.name, models: panel.state.models })));
  root.classList.remove("loading");
}

async function openExample(name) {
  root.classList.add("loading");
  await attempt(async () => begin(await desk.ask("example", { name, models: panel.state.models })));
  root.classList.remove("loading");
}

function begin(answer) {
  app.clip = answer.clip;
  app.example = answer.example ?? null;
  app.frame = 0;
  result.clear();
  clipName.textContent = answer.clip.name;
  clipFacts.textContent = ` ${answer.clip.width}×${answer.clip.height}, ${count(answer.clip.frames, "frame")}, ${answer.clip.seconds.toFixed(1)} s`;
  frameSlider.set(0, answer.clip.frames - 1);
  endSlider.set(answer.clip.end, answer.clip.frames);
  panel.state.objects = [];
  panel.activate(1);
  panel.setTool("select");
  panel.showTruth(answer.clip.has_truth);
  showAnswer(answer);
  show("mark");
  remember();
}

async function leave() {
  await attempt(() => desk.ask("leave_clip"));
  app.clip = app.example = null;
  result.clear();
  show("choose");
  remember();
}

// ---- marking

function showAnswer(answer) {
  if (!answer) return;
  if (answer.frame) stage.showFrame(answer.frame, answer.marks.frame);
  if (answer.marks) {
    app.frame = answer.marks.frame;
    stage.showMarks(answer.marks);
    panel.showMarks(answer.marks);
    stage.draw();
    const others = answer.marks.marked_frames;
    marked.replaceChildren(...(others.length > 1 || (others.length && others[0] !== app.frame) ? ["Marked frames: ", ...others.map((index) => h("button.link", { type: "button", onclick: () => { frameSlider.set(index); showFrame(index); } }, String(index)))] : []));
  }
  if (answer.plan) panel.showPlan(answer.plan, app.clip);
}

const choices = () => ({ models: panel.state.models, end: Number(endSlider.input.value) });

function edit(question) {
  return attempt(async () => showAnswer(await desk.ask("edit", { frame: app.frame, ...question, ...choices() }))).finally(() => stage.draw());
}

function showFrame(index) {
  return attempt(async () => showAnswer(await desk.ask("frame", { frame: index, ...choices() }, { key: "frame" })));
}

function refreshPlan() {
  if (app.clip) attempt(async () => showAnswer(await desk.ask("plan", choices(), { key: "plan" })));
  remember();
}

function sendFile(what, file) {
  return attempt(async () => {
    const answer = await desk.ask(what, { path: await send(file), name: file.name, frame: app.frame, ...choices() });
    showAnswer(answer);
    if (answer.has_truth) panel.showTruth(true);
  });
}

function correct() {
  const told = result.told();
  const index = told.start + player.frame();
  return attempt(async () => {
    const answer = await desk.ask("correct", { frame: index, model: told.models[0].label, ...choices() });
    frameSlider.set(index);
    showAnswer(answer);
    show("mark");
  });
}

// ---- running

async function run() {
  app.runNumber += 1;
  app.isRunning = true;
  alertBox.hidden = true;
  live.start(panel.state.models, app.clip.width / app.clip.height, stage.pictures());
  show("live");
  live.root.scrollIntoView({ block: "nearest" });
  // What is marked may still wait for its turn; a run does not, so it waits here.
  if (await attempt(() => desk.ask("plan", choices()))) {
    return askForRun({ number: app.runNumber, address: location.origin + location.pathname, ...choices() }, PATIENCE);
  }
  app.isRunning = false;
  show("mark");
}

/** A run tells of itself twice a second: one that is silent is not there, or its stream is not. The server runs a number once. */
function askForRun(question, patience) {
  trigger("run", question);
  app.listen = () => {
    clearTimeout(app.silence);
    app.silence = setTimeout(askForRun, patience, question, 2 * patience);
  };
  app.listen();
}

document.addEventListener("vk-live", ({ detail: told }) => {
  if (told?.run !== app.runNumber || !app.isRunning) return;
  app.listen();
  if (told.phase === "failed" || told.phase === "idle") {
    app.isRunning = false;
    show("mark");
    if (told.error) report(new Refused(told.error));
  } else if (told.phase === "done" && told.models[0]?.video) {
    app.isRunning = false;
    result.show(told, app.hello.models, app.example !== null);
    show("result");
    if (app.wanted) { player.setMode(app.wanted.mode); app.wanted = null; }
  } else {
    live.show(told);
  }
  if (!app.isRunning) clearTimeout(app.silence);
});

document.addEventListener("vk-model", ({ detail: name }) => { if (name) panel.pickModels(name); });

// ---- keys

document.addEventListener("keydown", (event) => {
  if (!root.offsetParent || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches?.("input:not([type=range]), textarea, select, pre")) return;
  const key = event.key.toLowerCase();
  const isRange = target.matches?.("input[type=range]");
  const act = { mark: markKeys, result: resultKeys }[app.view]?.[key];
  if (!act || (isRange && key.startsWith("arrow")) || (target.matches?.("button, a, summary") && (key === " " || key === "enter"))) return;
  event.preventDefault();
  act();
});

const byFrame = (by) => () => {
  const index = Math.min(Math.max(app.frame + by, 0), app.clip.frames - 1);
  frameSlider.set(index);
  showFrame(index);
};
const markKeys = {
  z: () => edit({ kind: "undo" }), y: () => edit({ kind: "redo" }), n: () => panel.addObject(),
  b: () => panel.setTool("select"), x: () => panel.setTool("exclude"), p: () => panel.setTool("brush"), e: () => panel.setTool("erase"),
  arrowleft: byFrame(-1), arrowright: byFrame(1), r: () => { if (!panel.go.disabled) run(); },
};
const resultKeys = { arrowleft: () => player.step(-1), arrowright: () => player.step(1), " ": () => player.toggle() };

// ---- the address: what can be come back to

function fromAddress() {
  const address = new URLSearchParams(location.search);
  const names = Object.keys(app.hello.models);
  if (names.includes(address.get("model"))) panel.pickModels(address.get("model"), address.get("against") ?? undefined);
  if (["side", "wipe", "heat"].includes(address.get("view"))) app.wanted = { mode: address.get("view") };
  const example = address.get("example");
  if (example) openExample(example);
}

function remember(index, mode) {
  if (!app.hello) return;
  const address = new URL(location.href);
  const set = (name, value) => value ? address.searchParams.set(name, value) : address.searchParams.delete(name);
  set("example", app.example);
  set("model", app.example && panel.state.models[0]);
  set("against", app.example && panel.state.models[1]);
  if (mode) set("view", app.example && mode);
  if (!app.example) set("view", null);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}
