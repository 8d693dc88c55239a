// Plotly figures made in Python: given the page's colours, cut down to the rows that are shown, and made clickable.

/** Pixels below which the names at a chart's foot would lie over each other; they are told when touched. */
const NARROW = 560;
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };

/** Draw a figure into an element; `onPoint` gets the key of a point that is clicked. */
async function draw(app, element, figure, onPoint) {
  const Plotly = await app.source.plotly();
  if (!element.isConnected) return;
  const { data, layout } = themed(app, figure);
  const foot = data.find((trace) => trace.meta === "foot");
  if (foot && element.clientWidth < NARROW) foot.mode = "markers";
  await Plotly.react(element, data, layout, CONFIG);
  element._figure = figure;
  if (onPoint && !element._isBound) {
    element._isBound = true;
    element.on("plotly_click", (event) => {
      const point = event.points.find((one) => one.customdata !== undefined);
      if (point) onPoint(point.customdata);
    });
  }
}

/** The figure in the colours of the page; what is not set is Python's. */
function themed(app, figure) {
  const style = getComputedStyle(app.root);
  const ink = style.getPropertyValue("--lb-soft").trim();
  const layout = structuredClone(figure.layout);
  layout.template = structuredClone(app.payload.template);
  layout.template.layout.font.color = ink;
  layout.hoverlabel = {
    bgcolor: style.getPropertyValue("--lb-surface").trim(),
    bordercolor: style.getPropertyValue("--lb-line").trim(),
    font: { color: style.getPropertyValue("--lb-ink").trim() },
  };
  const data = structuredClone(figure.data);
  for (const trace of data) if (trace.textfont) trace.textfont.color = ink;
  return { data, layout };
}

/** Only the points of these rows; the front as a step from point to point. */
function cutDown(app, figure, rows) {
  const { payload, state } = app;
  const keys = new Set(rows.map((row) => row.key));
  const column = (key) => payload.columns.find((one) => one.key === key);
  const best = frontOfView(payload, state);
  const front = new Set([...keys].filter((key) => best.has(key)));
  const data = figure.data.map((trace) => keepPoints(trace, trace.meta === "front" ? front : keys));
  const line = data.find((trace) => trace.meta === "front");
  if (line) Object.assign(line, frontLine(rows.filter((row) => front.has(row.key)), column(state.x), column(state.y)));
  const annotations = (figure.layout.annotations ?? []).filter((one) => !one.name || one.name.split(">").every((key) => keys.has(key)));
  return { figure: { data, layout: { ...figure.layout, annotations } }, front };
}

function frontLine(rows, x, y) {
  const ordered = [...rows].sort((one, other) =>
    one.values[x.key] - other.values[x.key] || one.values[y.key] - other.values[y.key]);
  const column = (key, scale) => ordered.map((row) => row.values[key] * scale);
  return { x: column(x.key, x.scale), y: column(y.key, y.scale), customdata: ordered.map((row) => row.key) };
}

function keepPoints(trace, keys) {
  if (!Array.isArray(trace.customdata)) return { ...trace };
  const kept = trace.customdata.map((key) => keys.has(key));
  const length = kept.length;
  const cut = (value) => {
    if (Array.isArray(value) && value.length === length) return value.filter((_, index) => kept[index]);
    if (value && typeof value === "object" && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cut(inner)]));
    }
    return value;
  };
  const result = cut(trace);
  return kept.some(Boolean) ? result : { ...result, visible: false };
}

/** A page of its own with the figure in it, which needs no network. */
async function figurePage(app, figure, title) {
  const { data, layout } = themed(app, figure);
  const values = JSON.stringify({ data, layout: { ...layout, title: { text: "" } }, config: { responsive: true, displaylogo: false } });
  const script = (await app.source.plotlyText()).replaceAll("</" + "script", "<\\/script");
  const name = title.replace(/[<>&"]/g, " ");
  return `<!doctype html><meta charset="utf-8"><title>${name}</title>
<style>body{margin:0;background:${getComputedStyle(app.root).getPropertyValue("--lb-surface")}}#p{height:100vh}</style><div id="p"></div>
<script>${script}</` + `script>
<script>const f=${values.replaceAll("<", "\\u003c")};Plotly.newPlot("p",f.data,f.layout,f.config)</` + "script>";
}
