// In the app: the server answers questions, and Plotly's script is one of the files it serves.

const root = element.querySelector(".lb");
const base = (window.gradio_config?.root ?? location.origin + location.pathname).replace(/\/$/, "");
const plotlyAddress = `${base}${window.gradio_config?.api_prefix ?? "/gradio_api"}/file=${PLOTLY}`;

const source = {
  submitted: null,
  ask: async (question, args) => {
    const answer = await server.ask([question, args, source.submitted?.token ?? ""]);
    if (!answer) throw new Error("its log says why");
    return answer;
  },
  plotlyText: async () => (await fetch(plotlyAddress)).text(),
  plotly: () => window.lbPlotly ??= new Promise((resolve, reject) => {
    const load = h("script", { src: plotlyAddress, onload: () => resolve(window.Plotly),
      onerror: () => { window.lbPlotly = undefined; reject(new Error("the charts' script cannot be loaded")); } });
    document.head.append(load);
  }),
  run: (model) => trigger("select", { model }),
  submit: async (file, masks) => {
    const { path } = await upload(file);
    return source.ask("submit", masks ? [path, masks.dataset, masks.name] : [path]);
  },
  /** Show the board with a checked result on it; null for the board alone. */
  preview: async (answer) => {
    source.submitted = answer;
    mountLeaderboard(root, await source.ask("payload", []), source);
    root.scrollIntoView({ behavior: "smooth", block: "start" });
  },
};

if (!document.getElementById("lb-style")) document.head.append(h("style", { id: "lb-style" }, STYLE));
source.plotly().catch(() => {}); // at once, beside the rows; a failure is told when a chart is drawn
root.replaceChildren(h("p.muted", "Loading the leaderboard"));
source.ask("payload", []).then(
  (payload) => mountLeaderboard(root, payload, source),
  (error) => root.replaceChildren(h("p.notice", { role: "alert" }, `The leaderboard cannot be loaded (${error?.message ?? error}). Reload the page.`)));
