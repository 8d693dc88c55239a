// Elements without a framework. Text always goes in as text: nothing a visitor typed is taken for HTML.

/** An element: `h("button.main#run", {onclick, title}, "text", child)`. */
function h(spec, ...rest) {
  const [, tag, id, classes] = spec.match(/^([a-z0-9]+)(?:#([\w-]+))?((?:\.[\w-]+)*)$/);
  const made = tag === "svg" || SVG_TAGS.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  if (id) made.id = id;
  if (classes) made.setAttribute("class", classes.slice(1).replaceAll(".", " "));
  for (const part of rest.flat(Infinity)) {
    if (part === null || part === undefined || part === false) continue;
    if (part instanceof Node) made.append(part);
    else if (typeof part === "object") setAttributes(made, part);
    else made.append(String(part));
  }
  return made;
}

const SVG_TAGS = new Set(["path", "line", "rect", "circle", "g", "text", "polyline"]);

function setAttributes(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "style") made.style.cssText = value;
    else if (name in made && !(made instanceof SVGElement) && name !== "list") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
}

/** One of several choices: `options` are [key, text, hint]. */
function segments(label, options, current, onchange) {
  const buttons = options.map(([key, text, hint]) => h("button", {
    type: "button", title: hint, dataset: { key }, onclick: () => { set(key); onchange(key); },
  }, text));
  const group = h("div.segments", { role: "group", "aria-label": label }, buttons);
  const set = (key) => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.key === key)));
  set(current);
  group.set = set;
  return group;
}

/** A slider with its label and its value in words. */
function slider(id, label, { min = 0, max = 0, value = 0, step = 1, tell = String, oninput }) {
  const input = h(`input#${id}`, { type: "range", min, max, step, value });
  const shown = h("output", { htmlFor: id });
  const update = () => { shown.textContent = tell(Number(input.value)); input.setAttribute("aria-valuetext", shown.textContent); };
  input.addEventListener("input", () => { update(); oninput?.(Number(input.value)); });
  update();
  const field = h("div.slider", h("label", { htmlFor: id }, label), input, shown);
  field.input = input;
  field.set = (number, most = input.max) => { input.max = most; input.value = number; update(); };
  return field;
}

/** 2 s, 1 min 20 s, 2 min, 1 h. */
function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole % 3600 === 0) return `${whole / 3600} h`;
  return whole % 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole / 60} min`;
}

function count(number, noun) { return `${number} ${noun}${number === 1 ? "" : "s"}`; }
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const title = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
