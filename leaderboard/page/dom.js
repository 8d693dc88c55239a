// Elements without a framework. Text always goes in as text: nothing that comes from a record is taken for HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button.primary", {onclick, title}, "text", child)`. */
function h(spec, ...rest) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const part of rest.flat(Infinity)) {
    if (part === null || part === undefined || part === false) continue;
    if (part instanceof Node) element.append(part);
    else if (typeof part === "object") setAttributes(element, part);
    else element.append(String(part));
  }
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "style") element.style.cssText = value;
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** A labelled choice; `options` are pairs of value and text. */
function choice(label, options, value, onchange, attributes = {}) {
  const select = h("select", attributes, { "aria-label": label, onchange: () => onchange(select.value) },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return h("label.field", h("span", label), select);
}

/** A link that leaves the page; only https addresses become one. */
function outside(address, text) {
  if (!/^https:\/\//.test(address)) return h("span", text);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** A link to a model's record and command. */
function opener(app, key, text) {
  return h("button.link", { type: "button", title: "Record and command", onclick: () => app.open(key) }, text);
}

/** A command or text with a button that copies it. */
function copyable(text, label) {
  return h("div.copyable", h("pre", h("code", text)), copyButton(() => text, label));
}

function copyButton(text, label = "Copy") {
  const button = h("button.quiet", { type: "button", onclick: async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 1500);
  } }, label);
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page from disk or in a frame may have no clipboard; the old way needs none.
    const area = h("textarea", { value: text, style: "position:fixed;opacity:0" });
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** Offer text as a file. */
function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  // Its click must not count as one beside an open menu, which would close it.
  const link = h("a", { href: address, download: name, onclick: (event) => event.stopPropagation() });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
