// Shows a notebook in JupyterLab step by step; see present/__init__.py.
const lecture = location.pathname.split("/").pop().replace(".html", "");
const token = new URLSearchParams(location.search).get("token");
const steps = await (await fetch(`${lecture}.json`)).json();
const frame = document.querySelector("iframe"), help = document.querySelector("dialog");
const others = new BroadcastChannel(`present ${lecture}`);   // the page with the notes
document.title = steps[0].title;

// JupyterLab, its notebook, all its cells. Each tab has a workspace of its own: two tabs cannot share one.
const workspace = Math.random().toString(36).slice(2);
frame.src = `../../doc/workspaces/${workspace}/tree/${lecture}.ipynb?reset${token ? `&token=${token}` : ""}`;
async function until(find) {
  for (;;) {
    const found = find();
    if (found) return found;
    await new Promise(done => setTimeout(done, 100));
  }
}
const app = await until(() => frame.contentWindow.jupyterapp);
await app.restored;
const panel = await until(() => app.shell.currentWidget?.context && app.shell.currentWidget);
await panel.context.ready;
await until(() => panel.content.widgets.length === steps.length);
const inside = frame.contentDocument, cells = panel.content.widgets;
const style = Object.assign(inside.createElement("link"), {rel: "stylesheet", href: new URL("frame.css", location)});
inside.head.append(style);
inside.body.append(panel.node);
const scroller = inside.querySelector(".jp-WindowedPanel-outer");

// Size: 960 wide, whatever the window has, times what + and - ask for.
let larger = 1;
function fit() {
  const scale = larger * innerWidth / 960;
  frame.style.width = `${innerWidth / scale}px`;
  frame.style.height = `${innerHeight / scale}px`;
  frame.style.transform = `scale(${scale})`;
}

// Where we are. Of a section, all cells up to the present one are on screen: its end, or its beginning if it is long.
let at = 0;
function show(step, say = true) {
  at = Math.max(0, Math.min(steps.length - 1, step));
  cells.forEach((cell, i) => cell.node.classList.toggle("off", i < steps[at].section || i > at));
  history.replaceState(null, "", `#${at + 1}`);
  document.querySelector("#place").textContent = `${at + 1} / ${steps.length}`;
  panel.content.activeCellIndex = at;
  scroll();
  others.postMessage({at});
}
function scroll() {
  const cell = cells[at].node.getBoundingClientRect(), view = scroller.getBoundingClientRect();
  scroller.scrollTop += Math.min(cell.top - view.top, Math.max(cell.bottom + 14 - view.bottom, -scroller.scrollTop));
}
function section(direction) {
  let step = at + direction;
  while (step > 0 && step < steps.length && steps[step].section !== step) step += direction;
  show(step);
}
new ResizeObserver(scroll).observe(inside.querySelector(".jp-WindowedPanel-viewport"));

// What runs: labs at the start, all else on demand.
const ran = new Set();
let queue = Promise.resolve();
function run(numbers) {
  queue = queue.then(async () => {
    await panel.sessionContext.ready;
    for (const i of numbers.filter(i => cells[i].model.type === "code")) {
      panel.content.activeCellIndex = i;
      ran.add(i);
      await app.commands.execute("notebook:run-cell");
    }
    panel.content.activeCellIndex = at;
  });
}

const keys = {
  "ArrowRight": () => show(at + 1), "PageDown": () => show(at + 1), " ": () => show(at + 1),
  "ArrowLeft": () => show(at - 1), "PageUp": () => show(at - 1), "Home": () => show(0), "End": () => show(steps.length),
  "]": () => section(1), "[": () => section(-1),
  "c": () => { cells[at].inputHidden = !cells[at].inputHidden; },
  "r": () => run([...Array(at).keys()].filter(i => !ran.has(i)).concat(at)),
  "n": () => open(`notes.html?lecture=${lecture}`, "notes", "popup,width=900,height=700"),
  "f": () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(),
  "+": () => { larger *= 1.1; fit(); }, "=": () => keys["+"](), "-": () => { larger /= 1.1; fit(); },
  "?": () => help.open ? help.close() : help.showModal(),
};
function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = event.target.closest("input, textarea, select, button, .cm-editor, [role=slider], summary, a, .lab");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing && !["PageDown", "PageUp"].includes(event.key)) return;
  const key = keys[event.key] || keys[event.key.toLowerCase()];
  if (key) event.preventDefault(), key();
  // Single keys that are not ours would cut, copy or turn cells.
  if (event.key.length === 1 || key) event.stopImmediatePropagation();
}
addEventListener("keydown", press, true);
frame.contentWindow.addEventListener("keydown", press, true);
others.onmessage = ({data}) => {   // from the notes; a second tab of this lecture says where it is, too
  if ("go" in data) show(at + data.go);
  if ("where" in data) others.postMessage({at});
};
addEventListener("resize", () => { fit(); scroll(); });
fit();
show(Number(location.hash.slice(1)) - 1);
frame.focus();
run(steps.flatMap((step, i) => step.lab ? [i] : []));
