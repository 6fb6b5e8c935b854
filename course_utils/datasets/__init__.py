"""Data as a `Split`: training, validation, and a test set opened once. Almost all need no download."""

from course_utils.datasets.downloads import cifar10, fashion_mnist, mnist
from course_utils.datasets.drawings import EMOJI, emoji, emoji_images, emoji_rows, emoji_table
from course_utils.datasets.images import GLYPHS, TEXTURES, canvas_digits, glyphs, photographs, textures
from course_utils.datasets.split import Split, TestSetReopened, standardized, stratified, with_label_noise
from course_utils.datasets.tables import CARS, autompg, cancer, mnist1d
from course_utils.datasets.vectors import digits, moons, spirals, tones

__all__ = ["CARS", "EMOJI", "GLYPHS", "TEXTURES", "Split", "TestSetReopened", "autompg", "cancer", "canvas_digits",
           "cifar10", "digits", "emoji", "emoji_images", "emoji_rows", "emoji_table", "fashion_mnist", "glyphs",
           "mnist", "mnist1d", "moons", "photographs", "spirals", "standardized", "stratified", "textures", "tones",
           "with_label_noise"]
