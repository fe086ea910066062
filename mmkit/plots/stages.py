"""Where time goes: one bar a stage, the longest in the color of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from mmkit.plots.style import GREY, WRONG


def stage_bars(rows: Mapping[str, Sequence[tuple[str, float]]]) -> Figure:
    """A panel for each file: its stages from top to bottom, in milliseconds.

    rows: file -> (stage, milliseconds) in order.  The title says which stage is the longest.

    >>> figure = stage_bars({"a.png": [("read", 0.1), ("decode", 2.0)]})
    >>> figure.axes[0].get_title(loc="left")
    'a.png: decode takes longest, 2.0 of 2.1 ms'
    """
    heights = [1.0 + 0.25 * len(stages) for stages in rows.values()]
    figure, panels = plt.subplots(
        len(rows), 1, figsize=(7.0, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axes, (file, stages) in zip(panels[:, 0], rows.items(), strict=True):
        names, times = zip(*stages, strict=True)
        longest = max(range(len(times)), key=times.__getitem__)
        colors = [WRONG if i == longest else GREY for i in range(len(times))]
        bars = axes.barh(range(len(names)), times, color=colors)
        axes.bar_label(bars, [f"{time:.2f}" for time in times], padding=3, fontsize=9)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds, median")
        axes.margins(x=0.15)
        said = f"{file}: {names[longest]} takes longest, {times[longest]:.1f} of {sum(times):.1f} ms"
        axes.set_title(said, loc="left", fontsize=10.5)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
