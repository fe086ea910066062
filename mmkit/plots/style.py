"""The one style of the course: colors, sizes, and how a notebook stores a figure.

Follows Okabe & Ito (2008), "Color Universal Design". Leaves out dark figures: a page may be dark, they are white.
"""

from __future__ import annotations

import sys
import warnings
from io import BytesIO

import matplotlib.pyplot as plt
from cycler import cycler

from mmkit.plots.alt import describe

ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PINK, BLACK = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
)  # fmt: skip
GREY = "#8A8A8A"
# The same thing in the same colour throughout the course; wrong results are always vermilion.
COLOURS = {"text": BLUE, "image": ORANGE, "audio": GREEN, "video": PINK}
WRONG = VERMILION


def use_style() -> None:
    """Set matplotlib's defaults for the course: 7 inches wide, 10 pt, white, no chart junk.

    Also silences tqdm's remark, on importing transformers, that ipywidgets are missing: nothing here needs them.

    >>> use_style()
    >>> plt.rcParams["figure.facecolor"]
    'white'
    """
    warnings.filterwarnings("ignore", message="IProgress not found")
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 2.8),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PINK, VERMILION, SKY, BLACK]),
            "image.interpolation": "nearest",
            "image.cmap": "gray",
        }
    )
    _store_described_figures()


def _store_described_figures() -> None:
    """In a notebook, store figures with alternative text, in 64 colors: no eye sees it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or "inline" not in plt.get_backend():
        return
    plt.switch_backend(plt.get_backend())  # loads it now: loading sets the formats back
    from matplotlib.figure import Figure
    from PIL import Image

    def stored(figure: Figure) -> tuple[bytes, dict[str, str]]:
        full, palette = BytesIO(), BytesIO()
        figure.savefig(full, format="png", bbox_inches="tight")
        picture = Image.open(full).convert("RGB")
        picture.quantize(64, kmeans=3, dither=Image.Dither.NONE).save(palette, "PNG", optimize=True)
        return palette.getvalue(), {"alt": describe(figure)}  # data, and metadata for this format

    shell.display_formatter.formatters["image/png"].for_type(Figure, stored)
