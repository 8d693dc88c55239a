// The frame that is marked: drag a box, tap a point, paint. Coordinates are the frame's own pixels.

const TAP_PIXELS = 6; // a hand's tremble on the screen, not a box

function makeStage({ onEdit }) {
  const picture = h("img.layer", { alt: "" });
  const tint = h("img.layer.tint", { alt: "", hidden: true });
  const canvas = h("canvas#stage-canvas.layer", { tabIndex: 0, role: "img" });
  const hint = h("p.stage-hint");
  const root = h("div#stage.stage", picture, tint, canvas, hint);
  const pen = canvas.getContext("2d");
  const state = { frame: 0, object: 1, colour: "#e69f00", tool: "select", brush: 18, marks: [], isBusy: false };
  let from = null, to = null, isDown = false;

  const scale = () => canvas.width / (canvas.getBoundingClientRect().width || 1);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const clamp = (value, most) => Math.min(Math.max(Math.floor(value), 0), most - 1);
    return { x: clamp((event.clientX - box.left) * scale(), canvas.width), y: clamp((event.clientY - box.top) * scale(), canvas.height) };
  };
  const isPainting = () => state.tool === "brush" || state.tool === "erase";

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0 && event.button !== 2) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true, focusVisible: false });
    isDown = true;
    from = to = place(event);
    from.isExclude = state.tool === "exclude" || event.button === 2 || event.shiftKey;
    if (isPainting()) { pen.clearRect(0, 0, canvas.width, canvas.height); paint(from, from); }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!isDown) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const now = place(one);
      if (isPainting()) paint(to, now);
      to = now;
    }
    if (!isPainting() && !from.isExclude) draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!isDown) return;
    isDown = false;
    to = place(event);
    const target = { object: state.object, frame: state.frame };
    if (isPainting()) {
      onEdit({ kind: "stroke", ...target, foreground: state.tool === "brush", png: stroke() });
    } else if (from.isExclude || Math.hypot(to.x - from.x, to.y - from.y) < TAP_PIXELS * scale()) {
      onEdit({ kind: "click", ...target, x: to.x, y: to.y, foreground: !from.isExclude });
    } else {
      onEdit({ kind: "box", ...target, x0: from.x, y0: from.y, x1: to.x, y1: to.y });
    }
  });
  canvas.addEventListener("pointercancel", () => { isDown = false; draw(); });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  function paint(start, end) {
    pen.globalAlpha = 1;
    pen.strokeStyle = state.tool === "erase" ? "#ffffff" : state.colour;
    pen.lineWidth = state.brush * scale();
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(start.x, start.y);
    pen.lineTo(end.x + 0.01, end.y);
    pen.stroke();
  }

  /** What was painted, without the boxes and points that are shown over it. */
  const stroke = () => canvas.toDataURL("image/png");

  function draw() {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const unit = scale();
    for (const mark of state.marks) drawMark(mark, unit);
    if (isDown && from && to && !isPainting()) {
      const colour = state.colour;
      pen.lineWidth = 2 * unit;
      pen.strokeStyle = colour;
      pen.fillStyle = colour + "2a";
      pen.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
      pen.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
    }
  }

  function drawMark(mark, unit) {
    const colour = state.palette?.[(mark.object - 1) % state.palette.length] ?? "#fff";
    if (mark.kind === "box") {
      pen.lineWidth = 1.5 * unit;
      pen.setLineDash([6 * unit, 5 * unit]);
      pen.strokeStyle = colour;
      pen.strokeRect(mark.x, mark.y, mark.w, mark.h);
      pen.setLineDash([]);
      return;
    }
    pen.beginPath();
    pen.arc(mark.x, mark.y, 6 * unit, 0, 2 * Math.PI);
    pen.fillStyle = mark.foreground ? colour : "#14181f";
    pen.fill();
    pen.lineWidth = 2 * unit;
    pen.strokeStyle = "#ffffff";
    pen.stroke();
    if (!mark.foreground) {
      pen.beginPath();
      pen.moveTo(mark.x - 3 * unit, mark.y);
      pen.lineTo(mark.x + 3 * unit, mark.y);
      pen.stroke();
    }
  }

  function showFrame({ width, height, picture: address }, frame) {
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    root.style.setProperty("--ratio", width / height);
    picture.src = address;
    picture.alt = `Frame ${frame} of the clip`;
    state.frame = frame;
  }

  function showMarks(view) {
    state.palette = view.palette;
    state.marks = view.marks;
    tint.hidden = !view.mask;
    if (view.mask) tint.src = view.mask;
    const here = view.objects.filter((one) => one.here).map((one) => `${one.name} (${percent(one.share)})`);
    tint.alt = here.length ? `Marked: ${here.join(", ")}` : "";
    canvas.setAttribute("aria-label", here.length ? `Frame to mark. ${tint.alt}` : "Frame to mark: drag a box around an object, or tap on it");
    hint.textContent = here.length ? "" : "Drag a box around an object, or tap on it";
    hint.hidden = here.length > 0;
    draw();
  }

  new ResizeObserver(() => draw()).observe(root);
  /** The frame and what is marked in it, as addresses. */
  const pictures = () => [picture, tint].filter((one) => !one.hidden).map((one) => one.src);

  return { root, state, showFrame, showMarks, draw, pictures };
}
