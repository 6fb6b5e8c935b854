"""What JupyterLab leaves out for those who use the keyboard or a screen reader.

Widgets get names, values and a place whose words are read out when they change; figures get the
text that stands in their files. A script does it, in the page: every lab shows it, and the first
figure of a notebook.
"""

import pathlib

HTML = f"""<style>
.lab :is(button, input, select, [role=slider], [role=textbox]):focus-visible {{
  outline: 2px solid var(--jp-ui-font-color1, black) !important; outline-offset: 2px}}
</style><script>
{pathlib.Path(__file__).with_suffix(".js").read_text(encoding="utf-8")}</script>"""


def enable():
    """Show the script; nothing is to be seen of it."""
    from IPython.display import display

    display({"text/html": HTML, "text/plain": ""}, raw=True)


def described(text):
    """What makes a PNG say what it shows, in its text "Description" (PNG specification, third edition, 11.3.3.2).

    Parameters
    ----------
    text : str

    Returns
    -------
    PIL.PngImagePlugin.PngInfo
        As `pil_kwargs={"pnginfo": …}` of matplotlib's `savefig` takes it.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Description", text)
    return info
