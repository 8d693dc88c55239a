// In the app: the server answers questions, and Plotly's script is one of the files it serves.

const root = element.querySelector(".lb");
const base = (window.gradio_config?.root ?? location.origin + location.pathname).replace(/\/$/, "");
const plotlyAddress = `${base}${window.gradio_config?.api_prefix ?? "/gradio_api"}/file=${PLOTLY}`;

const source = {
  ask: async (question, args) => {
    const answer = await server.ask([question, args]);
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
};

if (!document.getElementById("lb-style")) document.head.append(h("style", { id: "lb-style" }, STYLE));
root.replaceChildren(h("p.muted", "Loading the leaderboard"));
source.ask("payload", []).then(
  (payload) => mountLeaderboard(root, payload, source),
  (error) => root.replaceChildren(h("p.notice", { role: "alert" }, `The leaderboard cannot be loaded (${error?.message ?? error}). Reload the page.`)));
