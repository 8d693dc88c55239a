// The static page: answers stand in the page itself, and Plotly's script as text, run when the first chart is drawn.

const read = (id) => document.getElementById(id).textContent;
const dark = matchMedia("(prefers-color-scheme: dark)");
const followColours = () => document.body.classList.toggle("dark", dark.matches);
let answers, plotly;

const source = {
  ask: async (question, args) => {
    answers ??= JSON.parse(read("answers"));
    const found = answers[JSON.stringify([question, ...args])];
    if (found === undefined) return { error: "This page does not hold that; the leaderboard of the app does." };
    return JSON.parse(found);
  },
  plotlyText: async () => read("plotly").replaceAll("<\\/script", "</" + "script"),
  plotly: () => plotly ??= source.plotlyText().then((text) => {
    const element = document.createElement("script");
    element.textContent = text;
    document.head.append(element);
    return window.Plotly;
  }),
  run: () => {},
};

followColours();
dark.addEventListener("change", followColours);
mountLeaderboard(document.getElementById("leaderboard"), JSON.parse(read("payload")), source);
