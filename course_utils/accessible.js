// What JupyterLab and its widgets leave out for those who use the keyboard or a screen reader. Shown often, it runs once.
if (!document.body.dataset.courseAccessible) {
  document.body.dataset.courseAccessible = "yes";

  // While the notebook is in command mode, JupyterLab takes single keys for itself wherever the focus is:
  // arrows walk off to the next cell instead of through a dropdown, and an "m" turns the lab's cell into text.
  document.body.addEventListener("keydown", event => {
    const command = event.ctrlKey || event.altKey || event.metaKey || (event.shiftKey && event.key === "Enter");
    const editing = event.target.isContentEditable && "acvxz".includes(event.key);
    if (event.target.closest(".lab") && (editing || !command)) event.stopPropagation();
  });

  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes))
      if (element && element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }

  const mended = {
    // A box is called by its class: "lab-batch_norm" is "lab batch norm".
    ".lab": box => set(box, {role: "group", "aria-label":
      [...box.classList].find(name => /^(lab|course)-/.test(name)).replace(/[-_]/g, " ")}),
    // Left alone, a slider has no name, and one with a logarithmic axis says the exponent.
    ".widget-slider": box => {
      const {textContent: name, title} = box.querySelector("label"), reading = box.querySelector(".widget-readout");
      set(box.querySelector("[role=slider]"), {"aria-label": name, "aria-valuetext": reading.textContent, title});
      set(reading, {role: "textbox", "aria-label": `${name}: type a number`, title});
    },
    ".lab .widget-hprogress .progress": bar => set(bar, {
      role: "progressbar", "aria-label": "done", "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuenow": Math.round(parseFloat(bar.firstElementChild.style.width) || 0)}),
    // The place has its role before its words change: only then are they read out.
    ".lab-status .widget-html-content": place => set(place, {role: "status"}),
    ".jp-RenderedImage img:not([alt])": picture => {
      const said = description(picture.src);
      if (said) picture.alt = said;
    },
  };

  // The file of a figure says what it shows, in a chunk of its own (`accessible.described`).
  function description(address) {
    const file = atob(address.slice(address.indexOf(",") + 1).slice(0, 12000));
    const [, length, text] = /(.{4})iTXtDescription\0{5}([^]*)/s.exec(file) || [];
    if (!text) return "";
    const bytes = Uint8Array.from(text, letter => letter.charCodeAt());
    const size = [...length].reduce((sum, letter) => 256 * sum + letter.charCodeAt(), 0) - "Description".length - 5;
    return new TextDecoder().decode(bytes.slice(0, size));
  }

  function mend() {
    for (const [selector, one] of Object.entries(mended)) document.querySelectorAll(selector).forEach(one);
  }
  new MutationObserver(mend).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuetext", "style"]});
  mend();
}
