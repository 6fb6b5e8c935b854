"""Data as a `Split`: training, validation, and a test set opened once. Almost all need no download."""

from course_utils.datasets.downloads import cifar10, fashion_mnist, mnist
from course_utils.datasets.images import GLYPHS, TEXTURES, canvas_digits, glyphs, photographs, textures
from course_utils.datasets.split import Split, TestSetReopened, stratified, with_label_noise
from course_utils.datasets.vectors import digits, moons, spirals, tones

__all__ = ["GLYPHS", "TEXTURES", "Split", "TestSetReopened", "canvas_digits", "cifar10", "digits", "fashion_mnist",
           "glyphs", "mnist", "moons", "photographs", "spirals", "stratified", "textures", "tones", "with_label_noise"]
