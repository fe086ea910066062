"""Pictures that teach: one style, one color a modality, the finding as the title.

    style    colors, sizes, how a notebook stores a figure     alt      a figure in words, for who cannot see it
    text     tokens, losses, masks     image   pixels, patches     audio   waves, spectra     video   frames, times
    models   how they are put together         training   losses as they fall, scores side by side
    serving  starts, answers as they come, load     batching  seats, blocks and caches     stages  where time goes

Follows the Okabe-Ito palette, which color-blind readers can tell apart, and the habit of drawing what lies
between two steps. Draws what it is given and imports nothing else of mmkit; leaves out interactive plots.
Every figure that a notebook stores has alternative text: its title, its axes and its numbers.
"""

from mmkit.plots.alt import describe
from mmkit.plots.audio import (
    Player,
    cut_marks,
    filter_banks,
    frames_and_window,
    levels,
    listening,
    loudness,
    mel_scale,
    mels,
    noise_limit,
    player,
    products,
    shared_samples,
    spectrograms,
    token_steps,
    waveform,
    wrong_recipes,
)
from mmkit.plots.batching import block_map, found_again, plain_ticks, power_laws, timetable
from mmkit.plots.image import Photo, damages, harms, histograms, patch_grid, pictures, staircase, tilings, weights
from mmkit.plots.models import attention_over, call_chart, diagram, similarity, token_rows
from mmkit.plots.serving import (
    arrivals,
    budgets,
    gauges,
    growth,
    heard_live,
    hesitation,
    load,
    progress,
)
from mmkit.plots.stages import stage_bars
from mmkit.plots.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    WRONG,
    YELLOW,
    use_style,
)
from mmkit.plots.text import (
    Strip,
    attention,
    compression,
    lost_characters,
    masks,
    padded_batches,
    prompt_strip,
    token_strip,
)
from mmkit.plots.training import learning, scores
from mmkit.plots.video import clocks, film_strip, moment_table, position_table, sampling, temporal_patches

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "SKY",
    "VERMILION",
    "WRONG",
    "YELLOW",
    "Photo",
    "Player",
    "Strip",
    "arrivals",
    "attention",
    "attention_over",
    "block_map",
    "budgets",
    "call_chart",
    "clocks",
    "compression",
    "cut_marks",
    "damages",
    "describe",
    "diagram",
    "film_strip",
    "filter_banks",
    "found_again",
    "frames_and_window",
    "gauges",
    "growth",
    "harms",
    "heard_live",
    "hesitation",
    "histograms",
    "learning",
    "levels",
    "listening",
    "load",
    "lost_characters",
    "loudness",
    "masks",
    "mel_scale",
    "mels",
    "moment_table",
    "noise_limit",
    "padded_batches",
    "patch_grid",
    "pictures",
    "plain_ticks",
    "player",
    "position_table",
    "power_laws",
    "products",
    "progress",
    "prompt_strip",
    "sampling",
    "scores",
    "shared_samples",
    "similarity",
    "spectrograms",
    "stage_bars",
    "staircase",
    "temporal_patches",
    "tilings",
    "timetable",
    "token_rows",
    "token_steps",
    "token_strip",
    "use_style",
    "waveform",
    "weights",
    "wrong_recipes",
]
