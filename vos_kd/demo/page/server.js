// Questions to the server, one at a time, so that each is answered on what the one before has changed.

const base = (window.gradio_config?.root ?? location.origin + location.pathname).replace(/\/$/, "") + (window.gradio_config?.api_prefix ?? "/gradio_api");
const fileAddress = (path) => `${base}/file=${path.split("/").map(encodeURIComponent).join("/")}`;

/** What cannot be done, in words for the visitor. */
class Refused extends Error {}

const PATIENCE = 10_000; // milliseconds until a question is asked again; twice as long each time

const desk = (() => {
  const waiting = [];
  let current = null, timer = 0;
  let number = Date.now(); // larger than all of a script that ran in this page before
  const listeners = new Set();

  /** Ask; `key`: a waiting question of the same key is given up for this one; `isIdle`: let all others go first. */
  function ask(ask, question = {}, { key = null, isIdle = false } = {}) {
    return new Promise((resolve, reject) => {
      const same = key && waiting.findIndex((one) => one.key === key);
      if (key && same >= 0) waiting.splice(same, 1)[0].resolve(null);
      waiting.push({ question: { ask, ...question }, key, isIdle, resolve, reject });
      next();
    });
  }

  function next() {
    if (current || !waiting.length) return;
    const first = waiting.findIndex((one) => !one.isIdle);
    current = waiting.splice(Math.max(first, 0), 1)[0];
    number += 1;
    tell();
    put(PATIENCE);
  }

  /** The server answers a number once: what it gets twice it does not do twice. */
  function put(patience) {
    trigger("ask", { number, ...current.question });
    timer = setTimeout(put, patience, 2 * patience);
  }

  function tell() { for (const one of listeners) one(Boolean(current && !current.isIdle)); }

  watch("value", () => {
    const answer = props.value;
    if (!current || answer?.reply !== number) return;
    const done = current;
    current = null;
    clearTimeout(timer);
    if (answer.error) done.reject(new Refused(answer.error));
    else done.resolve(answer);
    tell();
    next();
  });

  return { ask, onBusy: (listener) => listeners.add(listener) };
})();

/** Send a file, after the server has agreed to its size. */
async function send(file) {
  await desk.ask("check", { name: file.name, size: file.size });
  // Gradio gives files of equal name and content one path: another visitor's must not be taken for this one.
  const own = new File([file], `${Math.random().toString(36).slice(2)}-${file.name}`, { type: file.type });
  try {
    return (await upload(own)).path;
  } catch (error) {
    throw new Refused(`${file.name} could not be uploaded (${error?.message ?? error}). Try again.`);
  }
}
