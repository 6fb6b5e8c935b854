// What the theme leaves out, for those who use the keyboard or a screen reader.
function describe() {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  for (const caption of document.querySelectorAll(".sidebar-tree .caption")) caption.setAttribute("aria-level", "2");
  for (const box of document.querySelectorAll("pre, .table-wrapper, .math-wrapper, div.math, .cell_output > .output"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
}
addEventListener("load", describe);
addEventListener("resize", describe);

// A lab: each of its states, computed before, is a sentence, the call that opens it, and places among the pieces.
for (const lab of document.querySelectorAll(".lab")) {
  const {pieces, states} = JSON.parse(lab.querySelector("script").textContent);
  function show() {
    let place = 0;
    for (const control of lab.querySelectorAll("input, select")) {
      const chosen = Number(control.type === "checkbox" ? control.checked : control.value);
      place = place * Number(control.dataset.count) + chosen;
      if (control.type === "range") {
        const value = JSON.parse(control.dataset.values)[chosen];
        control.setAttribute("aria-valuetext", value);
        control.nextElementSibling.textContent = value;
      }
    }
    const [sentence, call, ...drawn] = states[place];
    lab.querySelector("svg").innerHTML = drawn.map(piece => pieces[piece]).join("");
    lab.querySelector("[role=status]").textContent = sentence;
    lab.querySelector("code").textContent = call;
  }
  lab.addEventListener("input", show);
  lab.hidden = false;
  show();
}
