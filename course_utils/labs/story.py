"""The story of a lab: buttons for what is worth seeing in it, and a sentence on each for teachers."""

import functools
import html
import pathlib
import tomllib


@functools.cache
def all_stories():
    """All stories: name of a lab → its steps, each with ``button``, ``state`` and ``say``."""
    return tomllib.loads(pathlib.Path(__file__).with_name("stories.toml").read_text(encoding="utf-8"))


class Story:
    """A lab under a row of buttons; it opens at the first one.

    Attributes
    ----------
    steps : list of dict
        ``button``, ``state`` and ``say``.
    lab : Lab
    """

    def __init__(self, lab):
        import ipywidgets as widgets

        self.steps = all_stories()[lab.name]
        sharp_lab = type(lab.__name__, (lab,), {"__module__": lab.__module__, "dpi": 200})   # for a projector
        self.lab = sharp_lab(**self.steps[0]["state"])
        self._buttons = [widgets.Button(layout={"width": "auto"}) for _ in self.steps]
        for button, step in zip(self._buttons, self.steps, strict=True):
            button.on_click(lambda _, step=step: self.lab.show(**step["state"]))
        self._say = widgets.HTML()
        self._say.add_class("lab-status")   # what is read out when it changes
        self._box = widgets.VBox([widgets.Box(self._buttons, layout={"flex_flow": "row wrap"}), self._say])
        for name in ("lab", "lab-story"):   # the first one is for `accessible`, which names it and handles its keys
            self._box.add_class(name)
        for widget in self.lab._widgets.values():
            widget.observe(lambda _: self._mark(), "value")   # after the lab's own observer
        self._mark()

    def step(self):
        """Number of the step that the lab shows, from 0; None after a control has been moved."""
        return next((number for number, step in enumerate(self.steps)
                     if self.lab.checked(step["state"]) == self.lab.state), None)

    def _mark(self):
        shown = self.step()
        for number, (button, step) in enumerate(zip(self._buttons, self.steps, strict=True)):
            is_shown = number == shown   # marked by a sign and a word, not by color alone
            button.description = f"{'▶' if is_shown else number + 1} {step['button']}"
            button.tooltip = "shown now" if is_shown else f"show {self.lab.call(self.lab.checked(step['state']))}"
            button.style.font_weight = "bold" if is_shown else None
        text = "A state of your own." if shown is None else html.escape(self.steps[shown]["say"])
        self._say.value = f"<p style='margin:0.3em 0;line-height:1.4'>{text}</p>"

    def _ipython_display_(self):
        from IPython.display import display

        display(self._box)
        self.lab._ipython_display_()
