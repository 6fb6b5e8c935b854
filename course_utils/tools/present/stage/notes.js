// The instructor's notes for the step that is shown; see stage.js.
const lecture = new URLSearchParams(location.search).get("lecture");
const steps = await (await fetch(`${lecture}.json`)).json();
const stage = new BroadcastChannel(`present ${lecture}`), write = (where, text) => { document.querySelector(where).textContent = text; };
const begun = Date.now();

stage.onmessage = ({data}) => {
  if (!("at" in data)) return;
  const step = steps[data.at];
  write("#place", `${data.at + 1} / ${steps.length}`);
  write("h1", step.title);
  write("#next", steps[data.at + 1]?.begins ?? "the end");
  document.querySelector("#notes").innerHTML = step.notes || "<p>No note for this step.</p>";
};
stage.postMessage({where: true});

const go = by => stage.postMessage({go: by});
document.querySelectorAll("button").forEach(button => button.addEventListener("click", () => go(Number(button.dataset.go))));
addEventListener("keydown", ({key}) => {
  if (["ArrowRight", "PageDown"].includes(key)) go(1);
  if (["ArrowLeft", "PageUp"].includes(key)) go(-1);
});
setInterval(() => write("#clock", `${new Date().toTimeString().slice(0, 5)} · ${Math.floor((Date.now() - begun) / 60000)} min`), 1000);
