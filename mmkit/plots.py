"""Pictures that teach: one style, one colour a modality, the finding as the title.

Follows the Okabe-Ito palette, which colour-blind readers can tell apart, and the habit of drawing what lies
between two steps. Draws what it is given and imports nothing of mmkit; leaves out interactive plots.
"""

from __future__ import annotations

import matplotlib.pyplot as plt

# Okabe & Ito (2008), "Color Universal Design".
ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PINK, BLACK = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
)  # fmt: skip
GREY = "#8A8A8A"
# The same thing in the same colour throughout the course; wrong results are always vermilion.
COLOURS = {"text": BLUE, "image": ORANGE, "audio": GREEN, "video": PINK}
WRONG = VERMILION


def use_style() -> None:
    """Set matplotlib's defaults for the course: 7 inches wide, 10 pt, white, no chart junk.

    >>> use_style()
    >>> plt.rcParams["figure.facecolor"]
    'white'
    """
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
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PINK, VERMILION, SKY, BLACK]),
            "image.interpolation": "nearest",
            "image.cmap": "gray",
        }
    )
