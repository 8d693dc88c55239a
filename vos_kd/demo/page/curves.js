// Small line charts over frames; a click or a tap goes to the frame.

/**
 * @param {{label: string, unit: string, lines: {name: string, colour: string, values: (number|null)[]}[], low?: number, high?: number}} data
 */
function makeCurve(id, heading, { onFrame }) {
  const WIDTH = 1000, HEIGHT = 150;
  const svg = h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: "0" });
  const legend = h("span.legend");
  const reading = h("span.reading");
  const top = h("span.axis.top"), bottom = h("span.axis.bottom"), left = h("span.axis.left"), right = h("span.axis.right");
  const root = h(`figure#${id}.curve`, h("figcaption", h("b", heading), reading, legend), h("div.plot", svg, top, bottom, left, right));
  let data = null, start = 0, frames = 0, current = 0;
  const cursor = h("line", { class: "cursor", y1: 0, y2: HEIGHT });

  const x = (index) => frames > 1 ? (index / (frames - 1)) * WIDTH : WIDTH / 2;

  function show(told, first, length) {
    data = told;
    start = first;
    frames = length;
    const values = told.lines.flatMap((line) => line.values).filter((value) => value !== null);
    const low = told.low ?? 0;
    const high = told.high ?? Math.max(...values, 1e-9) * 1.08;
    const y = (value) => HEIGHT - 4 - ((Math.min(value, high) - low) / (high - low || 1)) * (HEIGHT - 8);
    svg.replaceChildren(
      ...[0.25, 0.5, 0.75].map((share) => h("line", { class: "rule", x1: 0, x2: WIDTH, y1: share * HEIGHT, y2: share * HEIGHT })),
      ...(told.given ?? []).map((index) => h("line", { class: "given", x1: x(index - first), x2: x(index - first), y1: 0, y2: HEIGHT })),
      ...told.lines.flatMap((line) => paths(line, y)), cursor);
    top.textContent = told.tell(high);
    bottom.textContent = told.tell(low);
    left.textContent = `frame ${first}`;
    right.textContent = first + length - 1;
    legend.replaceChildren(...told.lines.map((line) => h("span.key", { style: `--c:var(${line.colour})` }, line.name)));
    svg.setAttribute("aria-label", `${heading}. ` + told.lines.map((line) => summary(line, told.tell)).join(" "));
    seek(current);
  }

  function paths(line, y) {
    const made = [];
    let points = [];
    const flush = () => {
      if (points.length) made.push(h("polyline", { points: points.join(" "), style: `stroke:var(${line.colour})`, class: line.isDashed ? "dashed" : null }));
      points = [];
    };
    line.values.forEach((value, index) => value === null ? flush() : points.push(`${x(index).toFixed(1)},${y(value).toFixed(1)}`));
    flush();
    return made;
  }

  function summary(line, tell) {
    const known = line.values.filter((value) => value !== null);
    if (!known.length) return "";
    const low = Math.min(...known);
    return `${line.name}: lowest ${tell(low)} at frame ${start + line.values.indexOf(low)}, highest ${tell(Math.max(...known))}.`;
  }

  function seek(index) {
    current = index;
    if (!data) return;
    cursor.setAttribute("x1", x(index));
    cursor.setAttribute("x2", x(index));
    const parts = data.lines.map((line) => line.values[index]).map((value) => value === null || value === undefined ? "–" : data.tell(value));
    reading.textContent = `frame ${start + index}: ${parts.join(" · ")}`;
  }

  const at = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(frames - 1, Math.max(0, Math.round(((event.clientX - box.left) / box.width) * (frames - 1))));
  };
  let isDown = false;
  svg.addEventListener("pointerdown", (event) => { isDown = true; svg.setPointerCapture(event.pointerId); onFrame(at(event)); });
  svg.addEventListener("pointermove", (event) => { if (isDown) onFrame(at(event)); });
  svg.addEventListener("pointerup", () => { isDown = false; });
  return { root, show, seek };
}
