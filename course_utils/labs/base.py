"""What all labs share: background training, the live figure, the static picture.

The latest request wins: moving a control cancels the training under way within one chunk of
steps, and the picture on screen always ends up showing the state of the controls. Training
runs in a thread of its own, so that the controls stay alive and Stop works.
"""

import base64
import contextlib
import html
import io
import threading
import time

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_utils import accessible, plots  # noqa: F401 (`plots` sets the style of all figures)

_drawing = threading.Lock()   # matplotlib draws one figure at a time
_REDRAW = 0.4                 # seconds between two partial pictures: more would only cost training
_DRAWING = 0.2                # share of the time spent on them; on a machine that many share, a picture takes long

# With a kernel, the widget replaces its stored picture; without one, the picture replaces the widget and
# JupyterLab's message that the widget is missing.
STYLE = """<style class="lab-style">
.jp-OutputArea:has(.lab) .jp-OutputArea-child:has(.jp-RenderedImage) {display: none}
.jp-OutputArea:has(.lab-style):not(:has(.lab)) .jp-OutputArea-child:has(.jupyter-widgets) {display: none}
</style>"""


class Lab:
    """Base of all labs. A lab defines `controls`, `compute`, and `draw`.

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
    panels = 2         # of the figure
    dpi = 100          # of its picture
    compiles = True    # a program for each structure
    busy = "Training …"

    def __init_subclass__(cls):
        cls.name = cls.__module__.rpartition(".")[2].removesuffix("_lab")   # as in `labs.name()`

    def compute(self, state, report):
        """Train for a state; call ``report(partial)`` after each chunk, and stop if it returns True."""
        raise NotImplementedError

    def draw(self, axes, state, runs):
        """Draw into the axes; return the sentence that says what they show."""
        raise NotImplementedError

    def __init__(self, **state):
        self.state = self.checked(state)
        self._changed = threading.Condition()
        self._wanted, self._thread = None, None
        self._stopped = threading.Event()
        self._compiled = set()
        self._build_widgets()
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
        """The picture (PNG bytes) and the sentence of a state: a pure function of it."""
        return self._picture(state, self.compute(state, lambda partial: False))

    def figure(self, state, runs):
        """The figure and the sentence of a state, from what `compute` has returned."""
        figure = Figure(figsize=(4.4 * self.panels, 3.4), dpi=self.dpi)
        axes = figure.subplots(1, self.panels, squeeze=False)[0]
        # A fixed frame: constrained layout would take as long again as the drawing itself.
        figure.subplots_adjust(left=0.075, right=0.985, bottom=0.155, top=0.9, wspace=0.2)
        return figure, self.draw(list(axes), state, runs)

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
            widget.style.description_width = "12em"
            widget.layout.width = "25em"
            if hasattr(widget, "continuous_update"):
                widget.continuous_update = False
            widget.observe(lambda _: self._read_controls(), "value")
        self._image = widgets.Image(format="png", layout={"max_width": "100%", "width": f"{4.4 * self.panels:g}in"})
        # A screen reader reads the picture's tooltip. It is only used if there is an empty description.
        self._image.add_traits(description=traitlets.Unicode("").tag(sync=True))
        self._progress = widgets.FloatProgress(min=0, max=1, layout={"width": "24em"})
        self._stop = widgets.Button(description="Stop", tooltip="Stop training and keep the picture as it is")
        self._stop.on_click(lambda _: self._stopped.set())
        self._status, self._line = widgets.HTML(), widgets.HTML()
        self._status.add_class("lab-status")
        grid = widgets.Box(list(self._widgets.values()), layout={"flex_flow": "row wrap"})
        self._box = widgets.VBox([grid, widgets.HBox([self._progress, self._stop]), self._image, self._status,
                                  self._line])
        self._box.add_class("lab")
        self._box.add_class(f"lab-{self.name}")

    def _read_controls(self):
        # Rounded, so that the call shown below the lab gives exactly this state again.
        state = {name: _rounded(widget.value) for name, widget in self._widgets.items()}
        if state != self.state:
            self.state = state
            self._request(state)

    def _request(self, state):
        """Ask for a state; a computation under way for another state stops at its next report."""
        self._line.value = f"This state: <code>{html.escape(self.call(state))}</code>"
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
                self._say(f"This state could not be computed: {type(error).__name__}: {error}")

    def _serve(self, state):
        structure = tuple(state[name] for name, control in self.controls.items() if control.structural)
        self._say("Compiling for this structure (some seconds, once), then training …"
                  if self.compiles and structure not in self._compiled else self.busy)
        self._progress.value = 0
        due = 0.0   # the first partial picture is drawn at once

        def report(partial):
            nonlocal due
            if self._wanted is not None or self._stopped.is_set():
                return True
            self._progress.value = self.done(partial)
            if self.done(partial) < 1 and time.monotonic() > due:
                started = time.monotonic()
                self._image.value, self._image.tooltip = self._picture(state, partial)
                finished = time.monotonic()
                due = finished + max(_REDRAW, (finished - started) / _DRAWING)
            return False

        runs = self.compute(state, report)
        self._compiled.add(structure)
        if self._wanted is not None:
            return
        self._image.value, self._image.tooltip = self._picture(state, runs)
        stopped = self._stopped.is_set() and self.done(runs) < 1
        self._progress.value = self.done(runs)
        self._say(f"Stopped early. {self._image.tooltip}" if stopped else self._image.tooltip)

    def _picture(self, state, runs):
        with _drawing:
            figure, sentence = self.figure(state, runs)
            file = io.BytesIO()
            FigureCanvasAgg(figure).print_png(file, pil_kwargs={   # savefig draws twice
                "compress_level": 1, "pnginfo": accessible.described(sentence)})
        return file.getvalue(), sentence

    def _say(self, text):
        self._status.value = f"<p style='margin:0.3em 0;line-height:1.4'>{html.escape(text)}</p>"
        self._text = text

    def _ipython_display_(self):
        """Show the lab at once; when its first picture is ready, store that as well, hidden."""
        from IPython.display import display

        accessible.enable()
        display(self._box)
        self.wait()
        display({"text/html": STYLE, "text/plain": ""}, raw=True)
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
