// What the visitor chose: in the address, so that a link shows the same again, and read from it.

const PREFIX = "lb_";
const DEFAULTS = {
  benchmark: "", run: "", x: "fps_end_to_end", y: "", preset: "Overview", columns: "", search: "", roles: "",
  published: "", weights: "", older: "", fps: "", params: "", sort: "", view: "compare", a: "", b: "", row: "", sequence: "",
};

function readState() {
  const query = new URLSearchParams(location.search);
  const state = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) {
    const value = query.get(PREFIX + key);
    if (value !== null && value.length <= 300) state[key] = value;
  }
  return state;
}

/** `usual` is what the page shows to whoever chose nothing: that is left out. */
function queryOf(state, usual = DEFAULTS) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(state)) {
    if (value === usual[key] || value === "") query.delete(PREFIX + key);
    else query.set(PREFIX + key, value);
  }
  return query.toString();
}

/** The address of what is shown; it opens the leaderboard even if nothing was chosen. */
function permalink(state) {
  const query = new URLSearchParams(queryOf(state));
  query.set(PREFIX + "benchmark", state.benchmark);
  return location.href.split(/[?#]/)[0] + "?" + query;
}

function writeState(state, usual) {
  const query = queryOf(state, usual);
  try {
    history.replaceState(history.state, "", location.pathname + (query ? "?" + query : "") + location.hash);
  } catch { /* a sandboxed frame has no history; the share button still gives the link */ }
  // A Space runs in a frame of huggingface.co, which takes its address from this message.
  if (window.parent !== window) window.parent.postMessage({ queryString: query, hash: "" }, "https://huggingface.co");
}
