"""What JupyterLab lacks for people who use the keyboard or a screen reader.

Widgets get names, values, and a status text that is read out when it changes; figures get the text
that their files contain. A script in the page does this: every lab and the first figure of a
notebook display it.
"""

import pathlib

HTML = f"""<style>
.lab :is(button, input, select, [role=slider], [role=textbox]):focus-visible {{
  outline: 2px solid var(--jp-ui-font-color1, black) !important; outline-offset: 2px}}
</style><script>
{pathlib.Path(__file__).with_suffix(".js").read_text(encoding="utf-8")}</script>"""


def enable():
    """Display the script, which is invisible."""
    from IPython.display import display

    display({"text/html": HTML, "text/plain": ""}, raw=True)


def described(text, title=""):
    """The texts "Description" and "Title" of a PNG, a `PngInfo` for `pil_kwargs={"pnginfo": …}` of `savefig`.

    Source: PNG specification, third edition, 11.3.3.2.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Description", text)
    if title:
        info.add_itxt("Title", title)
    return info
