"""What all labs share: the widgets, the training in the background, and the figure.

The latest request wins: if you move a control, the training that is under way stops within one chunk of steps, and the
figure always ends up showing the state of the controls. Training runs in its own thread, so the controls keep working.
"""

import base64
import contextlib
import html
import io
import threading
import time

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from course_utils import accessible, plots  # noqa: F401 (`plots` sets the style of all figures)
from course_utils.labs import stored

_drawing = threading.RLock()   # matplotlib draws one figure at a time
_REDRAW = 0.4                 # seconds between two partial pictures; with more of them, training would take longer
_DRAWING = 0.2                # share of the time spent on them: on a machine that many people share, drawing is slow
_PANEL = 3.6                  # inches, the width of one panel

# With a kernel, the widget replaces its stored picture; without one, the picture replaces the widget and
# JupyterLab's message that the widget is missing. In a dark theme, figures become dark and keep their hues.
STYLE = """<style class="lab-style">
.lab .widget-label {text-align: left}
.lab-result {font-size: 1.5em; font-weight: 600; line-height: 1.3}
.lab-status .widget-html-content, .lab-try .widget-html-content {line-height: 1.4; white-space: normal}
.lab-progress .progress {height: 4px; border-radius: 2px}
[data-jp-theme-light=false] .lab:not(.lab-light) .widget-image {filter: invert(0.93) hue-rotate(180deg)}
.jp-OutputArea:has(.lab) .jp-OutputArea-child:has(.jp-RenderedImage) {display: none}
.jp-OutputArea:has(.lab-style):not(:has(.lab)) .jp-OutputArea-child:has(.jupyter-widgets) {display: none}
</style>"""


class Lab:
    """Base of all labs. A lab defines `controls`, `try_this`, `compute`, `draw`, and `result`.

    Parameters
    ----------
    **state
        Values of controls; the others start at their defaults.

    Raises
    ------
    ValueError
        A control that the lab does not have, or a value it cannot take.
    """

    controls = {}      # name → Control
    try_this = ()      # what a learner could try first, one sentence each
    panels = 2         # of the figure
    dpi = 100          # of its picture
    compiles = True    # a program for each structure
    stays_light = False   # also in a dark theme, because brightness has a meaning in the figure
    busy = "Training …"
    _shown = _kept = None   # (state, runs) of the figure, and of the curves that are kept for comparison

    def __init_subclass__(cls):
        cls.name = cls.__module__.rpartition(".")[2].removesuffix("_lab")   # as in `labs.name()`

    def compute(self, state, report):
        """Train for a state; call ``report(partial)`` after each chunk, and stop if it returns True."""
        raise NotImplementedError

    def draw(self, axes, state, runs):
        """Draw into the axes; return the sentence that says what they show."""
        raise NotImplementedError

    def result(self, state, runs):
        """The result in a few words, shown in large type."""
        raise NotImplementedError

    def __init__(self, **state):
        self.state = self.checked(state)
        self._changed = threading.Condition()
        self._wanted, self._thread = None, None
        self._stopped = threading.Event()
        self._compiled = set()
        self._build_widgets()
        if found := stored.read(self.call()):
            self._image.value, result, self._image.tooltip = found
            self._result.value = f"{html.escape(result)} (stored)"
        self._request(self.state)

    @classmethod
    def checked(cls, state):
        """A complete state, or a ValueError in one sentence."""
        for name, value in state.items():
            if name not in cls.controls:
                raise ValueError(f"This lab has no control {name!r}; it has {', '.join(cls.controls)}.")
            problem = cls.controls[name].check(value)
            if problem:
                raise ValueError(f"{name} is {value!r}; {problem}.")
        return {name: control.default for name, control in cls.controls.items()} | state

    def render(self, state):
        """The picture (PNG bytes) and the sentence of a state, with the curves that are kept for comparison."""
        return self._picture(state, self.compute(state, lambda partial: False))

    def figure(self, state, runs, kept=None):
        """The figure and the sentence of a state, from what `compute` has returned.

        `kept` is the state and the runs of curves to draw in gray behind the others.
        """
        figure = Figure(figsize=(_PANEL * self.panels, 3.2), dpi=self.dpi)
        axes = list(figure.subplots(1, self.panels, squeeze=False)[0])
        # A fixed frame: constrained layout would take as long again as the drawing itself.
        figure.subplots_adjust(left=0.085, right=0.97, bottom=0.16, top=0.9, wspace=0.24)
        if kept:
            self.draw(axes, *kept)
            _only_gray_curves(axes)
        return figure, self.draw(axes, state, runs)

    def wait(self, timeout=None):
        """Block until the picture shows the state of the controls; return whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    def call(self, state=None):
        """The line of code that opens this lab in a state."""
        state = state or self.state
        arguments = [f"{name}={value!r}" for name, value in state.items() if value != self.controls[name].default]
        return f"labs.{self.name}({', '.join(arguments)})"

    @classmethod
    def story(cls):
        """This lab with buttons for what is worth seeing in it, each with a sentence on what to point out."""
        from course_utils.labs.story import Story

        return Story(cls)

    def show(self, **state):
        """Move all controls at once; those not named go to their defaults."""
        state = self.checked(state)
        with contextlib.ExitStack() as stack:   # otherwise, each control would start a training of its own
            for name, widget in self._widgets.items():
                stack.enter_context(widget.hold_trait_notifications())
                widget.value = state[name]

    # From here on: widgets and threads, which subclasses don't need to know about.

    def _build_widgets(self):
        import ipywidgets as widgets
        import traitlets

        self._widgets = {name: control.make(self.state[name]) for name, control in self.controls.items()}
        for name, widget in self._widgets.items():
            widget.description = self.controls[name].label
            if hasattr(widget, "readout"):   # a slider, below its label
                widget.layout = {"flex": "1 1 290px", "flex_flow": "row wrap", "height": "auto"}
                widget.style.description_width = "100%"
            else:
                widget.layout = {"flex": "1 1 210px"}
                widget.style.description_width = "50%"
            if hasattr(widget, "continuous_update"):
                widget.continuous_update = False
            widget.observe(lambda _: self._read_controls(), "value")
        self._image = widgets.Image(format="png", layout={"max_width": "100%", "width": f"{_PANEL * self.panels:g}in"})
        # A screen reader reads the picture's tooltip. It is only used if there is an empty description.
        self._image.add_traits(description=traitlets.Unicode("").tag(sync=True))
        self._progress = widgets.FloatProgress(min=0, max=1, layout={"width": "auto", "height": "4px"})
        self._result, self._status = widgets.HTML(), widgets.HTML(layout={"min_height": "4.5em"})
        self._call = widgets.Text(description="Code", layout={"width": "auto", "display": "none"})
        for widget, name in ((self._progress, "progress"), (self._result, "result"), (self._status, "status"),
                             (self._call, "call")):
            widget.add_class(f"lab-{name}")

        def button(kind, label, tooltip):
            return kind(description=label, tooltip=tooltip, layout={"width": "auto"})

        self._stop = button(widgets.Button, "Stop", "Stop training and show the results so far")
        self._stop.on_click(lambda _: self._stopped.set())
        self._reset = button(widgets.Button, "Reset", "Move all controls back to their defaults")
        self._reset.on_click(lambda _: self.show())
        self._compare = button(widgets.ToggleButton, "Compare", "Keep these curves in gray for comparison")
        self._compare.observe(lambda _: self._keep(), "value")
        self._compare.disabled = True   # until there are curves to keep
        self._reveal = button(widgets.ToggleButton, "Show this state", "Show the code that opens the lab in this state")
        self._reveal.observe(lambda change: setattr(self._call.layout, "display", "" if change["new"] else "none"),
                             "value")
        buttons = [self._stop, self._reset, self._compare, self._reveal]
        tries = widgets.HTML(_list("Try this", self.try_this))
        tries.add_class("lab-try")
        columns = [
            widgets.Box([*self._widgets.values(), widgets.Box(buttons, layout={"flex_flow": "row wrap"})],
                        layout={"flex_flow": "row wrap", "flex": "1 1 290px", "align_content": "flex-start",
                                "overflow": "visible"}),
            widgets.VBox([self._result, self._status, self._progress, self._image, self._call],
                         layout={"flex": "3 1 440px", "padding": "0 0 0 12px", "overflow": "visible"})]
        self._box = widgets.VBox([widgets.Box(columns, layout={"flex_flow": "row wrap", "overflow": "visible"}), tries])
        for name in ("lab", f"lab-{self.name}", *(["lab-light"] if self.stays_light else [])):
            self._box.add_class(name)

    def _read_controls(self):
        # Rounded, so that the call shown below the lab gives exactly this state again.
        state = {name: _rounded(widget.value) for name, widget in self._widgets.items()}
        if state != self.state:
            self.state = state
            self._request(state)

    def _request(self, state):
        """Ask for a state; a computation under way for another state stops at its next report."""
        self._call.value = self.call(state)
        with self._changed:
            self._wanted = state
            self._stopped.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name=f"lab {self.name}")
                self._thread.start()

    def _work(self):
        """Serve requests until none is left; then the thread ends."""
        while True:
            with self._changed:
                state, self._wanted = self._wanted, None
                if state is None:
                    self._thread = None
                    self._changed.notify_all()
                    return
            try:
                self._serve(state)
            except Exception as error:   # a lab never shows a traceback
                self._training(False)
                self._result.value = ""   # it would be that of another state
                self._say(f"This state could not be computed: {type(error).__name__}: {error}")

    def _serve(self, state):
        structure = tuple(state[name] for name, control in self.controls.items() if control.structural)
        is_new = self.compiles and structure not in self._compiled
        self._say("Compiling this network (once, a few seconds), then training …" if is_new else self.busy)
        self._training(True)
        if is_new and self._shown:
            self._image.value, _ = self._picture(*self._shown, fade=True)
        due = 0.0   # the first partial picture is drawn at once

        def report(partial):
            nonlocal due
            if self._wanted is not None or self._stopped.is_set():
                return True
            self._progress.value = self.done(partial)
            if self.done(partial) < 1 and time.monotonic() > due:
                started = time.monotonic()
                self._show(state, partial)
                finished = time.monotonic()
                due = finished + max(_REDRAW, (finished - started) / _DRAWING)
            return False

        runs = self.compute(state, report)
        self._compiled.add(structure)
        if self._wanted is not None:
            return
        self._show(state, runs)
        stopped = self._stopped.is_set() and self.done(runs) < 1
        self._training(False)
        self._say(f"Stopped early. {self._image.tooltip}" if stopped else self._image.tooltip)

    def _training(self, is_training):
        self._progress.value = 0
        self._progress.layout.visibility = "visible" if is_training else "hidden"
        self._stop.disabled = not is_training

    def _show(self, state, runs):
        with _drawing:   # the picture, its sentence, and the result belong together
            self._shown = state, runs
            self._image.value, self._image.tooltip = self._picture(state, runs)
            self._result.value = html.escape(self.result(state, runs))
            self._compare.disabled = False

    def _keep(self):
        """Keep the curves of the figure, or drop those that were kept."""
        with _drawing:   # the worker must not show something newer in between
            self._kept = self._shown if self._compare.value else None
            if self._shown and not self._kept:
                self._image.value, _ = self._picture(*self._shown, fade=self._shown[0] != self.state)

    def _picture(self, state, runs, *, fade=False):
        with _drawing:
            figure, sentence = self.figure(state, runs, self._kept)
            if fade:
                _gray(figure.axes)
            file = io.BytesIO()
            FigureCanvasAgg(figure).print_png(file, pil_kwargs={   # savefig draws twice
                "compress_level": 1, "pnginfo": accessible.described(sentence, self.result(state, runs))})
        return file.getvalue(), sentence

    def _say(self, text):
        self._status.value = html.escape(text)
        self._text = text

    def _ipython_display_(self):
        """Show the lab at once; when its first picture is ready, store that as well, hidden."""
        from IPython.display import display

        accessible.enable()
        display({"text/html": STYLE, "text/plain": ""}, raw=True)
        display(self._box)
        self.wait()
        display({"image/png": base64.b64encode(self._image.value).decode(),
                 "text/plain": f"{self.call()}\n{self._text}"}, raw=True,
                metadata={"image/png": {"alt": self._text}})

    @staticmethod
    def done(runs):
        """Share of the training that is done at partial results; 1 where nothing is trained."""
        for name in ("epoch", "step"):
            if f"{name}s" in getattr(runs, "attrs", ()):   # how many there will be
                return float(runs[name][-1]) / runs.attrs[f"{name}s"]
        return 1.0


def _rounded(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _curves(ax):
    bands_and_bars = [part for part in ax.collections if isinstance(part, LineCollection | PolyCollection)]
    return [*ax.lines, *ax.patches, *bands_and_bars]


def _gray(axes):
    """Turn all curves gray, and leave them out of legends."""
    for ax in axes:
        for artist in _curves(ax):
            artist.set(color="0.8", zorder=1)
        for line in ax.lines:
            line.set_markeredgecolor("0.8")
        for named in [*_curves(ax), *ax.containers]:
            named.set_label("_kept")


def _only_gray_curves(axes):
    """Turn all curves gray, remove everything else from the axes, and let their limits adapt again."""
    _gray(axes)
    for ax in axes:
        curves = _curves(ax)
        for artist in [part for part in ax.collections if part not in curves]:   # contours remove their own texts
            artist.remove()
        for artist in [*ax.texts, *ax.images, *filter(None, [ax.get_legend()])]:
            artist.remove()
        ax.set_autoscale_on(True)


def _list(title, items):
    lines = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f"<strong>{title}</strong><ul style='margin:0'>{lines}</ul>" if items else ""
