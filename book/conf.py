"""The book: all lectures with their stored outputs as a static site, for readers without a kernel.

``make book`` builds it with Sphinx and myst-nb. Nothing is executed, and no page asks another host
for anything. The pages are the notebooks themselves; what a reader without a kernel needs beside
them is added here while Sphinx reads them: a number before each title, the table of contents, a
text for each figure, the sentence of each lab, and its controls over states computed before (`states`).
"""

import html
import importlib.util
import json
import pathlib
import re

MATHJAX = pathlib.Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"

project = "Improving Performance"
copyright = "the authors of the course; text and figures CC BY 4.0, code MIT"
language = "en"
extensions = ["myst_nb"]
root_doc = "00_welcome"
exclude_patterns = ["text", "**/.ipynb_checkpoints"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_heading_slug_func = "book.anchors.anchor"

templates_path = ["templates"]
html_theme = "furo"
html_title = project
html_additional_pages = {"index": "index.html"}
html_static_path = ["static", str(MATHJAX / "tex-svg-full.js")]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_theme_options = {  # the blue of the figures, and a lighter one for dark pages
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0072B2"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}
pygments_dark_style = "a11y-high-contrast-dark"
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_show_search_summary = False  # it is fetched, which browsers refuse to pages opened from a disk

# Pictures of formulas, drawn in the page: fonts too may not be loaded from a disk.
mathjax_path = "tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}  # its menu would load more


def setup(app):
    """Connect what is added to the notebooks, and what is mended in the pages."""
    app.add_config_value("labs", "build/book-labs", "env")  # the folder that `states` fills
    app.connect("source-read", prepare)
    app.connect("html-page-context", mend)


def prepare(app, name, source):
    """Add to a notebook, in `source`, what its page needs."""
    if not (app.srcdir / f"{name}.ipynb").exists():
        return
    notebook = json.loads(source[0])
    cells = notebook["cells"]
    if name == app.config.root_doc:
        cells.append(contents(app.srcdir, name))
    else:
        cells[0]["source"] = "".join(cells[0]["source"]).replace("# ", f"# {name.partition('_')[0]} · ", 1)
    for cell in cells:
        if cell["cell_type"] == "code":
            describe(cell, pathlib.Path(app.config.labs))
        else:  # what is outside of the folder is no page, but a file to download
            cell["source"] = "".join(cell["source"]).replace("](../", "](path:../")
    source[0] = json.dumps(notebook)


def contents(folder, root):
    """A Markdown cell with the hidden table of contents: all that is in the folder, in order."""
    names = sorted(path.stem for path in folder.glob("*.ipynb") if path.stem != root)
    parts = {
        "Lectures": [name for name in names if name[0].isdigit()],
        "Appendices": [name for name in names if not name[0].isdigit()],
        "To read on": sorted(path.stem for path in folder.glob("*.md")),
    }
    trees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *part, "```"])
        for caption, part in parts.items()
    ]
    return {"cell_type": "markdown", "id": "contents", "metadata": {}, "source": "\n\n".join(trees)}


def describe(cell, labs):
    """Give the figures of a code cell their text; let a lab say what it shows, and move where its states are known."""
    outputs, texts = [], []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "lab-style" in "".join(data.get("text/html", "")):
            continue  # for JupyterLab
        outputs.append(output)
        if "image/png" not in data:
            continue
        texts.append(output["metadata"].get("image/png", {}).get("alt", ""))
        call, _, sentence = "".join(data.get("text/plain", "")).partition("\n")
        if call.startswith("labs."):
            said = (
                f"<div class='lab-said'><p>{html.escape(sentence)}</p><p>In JupyterLab this figure has controls: "
                f"<code>{html.escape(call)}</code> opens it as it is here.</p></div>"
            )
            states = labs / f"{call.removeprefix('labs.').partition('(')[0]}.json"
            if states.exists():
                said += live(json.loads(states.read_text("utf-8")))
            outputs.append({"output_type": "display_data", "metadata": {}, "data": {"text/html": said}})
    cell["outputs"] = outputs
    cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(texts)}}  # myst-nb takes one for all figures of a cell


def live(lab):
    """A lab over its states, as `states.export` gives them; hidden until `book.js` brings it to life."""
    width, height = lab["size"]
    states = json.dumps({"pieces": lab["pieces"], "states": lab["states"]}, ensure_ascii=False, separators=(",", ":"))
    states = states.replace("</", "<\\/")  # nothing in it may end the script
    controls = "".join(map(control, lab["controls"]))
    return f"""<div class="lab" hidden><div class="lab-controls" role="group" aria-label="Controls">{controls}</div>
        <svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="lab-sentence"></svg>
        <p id="lab-sentence" role="status"></p>
        <p>In JupyterLab <code></code> opens this state; there every value between is computed while you watch, and
        there is more to move: {html.escape(", ".join(lab["others"]))}.</p>
        <script type="application/json">{states}</script></div>"""


def control(knob):
    """A control of a lab: a box to tick, a slider over numbers, or a list; its value is a place among the values."""
    values, start, reading = knob["values"], knob["start"], ""
    known = f'id="lab-{knob["name"]}" data-count="{len(values)}"'
    if isinstance(values[0], bool):
        made = f'<input type="checkbox" {known}{" checked" * start}>'
    elif all(isinstance(value, int | float) for value in values):
        marks = html.escape(json.dumps([f"{value:g}" for value in values]))
        made = f'<input type="range" {known} max="{len(values) - 1}" value="{start}" data-values="{marks}">'
        reading = '<span aria-hidden="true"></span>'  # the slider says its value itself
    else:
        options = [
            f'<option value="{at}"{" selected" * (at == start)}>{html.escape(str(value))}</option>'
            for at, value in enumerate(values)
        ]
        made = f"<select {known}>{''.join(options)}</select>"
    return f'<div><label for="lab-{knob["name"]}">{html.escape(knob["label"])}</label>{made}{reading}</div>'


def mend(app, name, template, context, doctree):
    """An empty corner of a table is no heading."""
    if "body" in context:
        context["body"] = re.sub(r"<th[^>]*>(<p></p>)?</th>", "<td></td>", context["body"])
