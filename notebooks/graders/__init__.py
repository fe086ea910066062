"""Graders: check an exercise where it stands, and say what is wrong in one small example.

    graders.NAME(your_function)           prints one verdict, returns it (true when right), never raises or hangs
    graders.NAME(your_function, hint=1)   adds a hint, hint=2 a bigger one
    graders.progress()                    what you have solved so far

README.md beside this file says how to add an exercise. mechanism.py is the whole mechanism; nbNN_name.py holds the
exercises of one notebook: each is a reference with its cases, hints and known mistakes.
"""

from .mechanism import (
    Case,
    Exercise,
    Raised,
    Verdict,
    case,
    difference,
    equal,
    exercise,
    grade,
    print_progress,
)
from .nb00_start import chat_prompt, fits, tokens_of_any_picture
from .nb01_text import cut_to_bytes, padding, replay_merges, stream_text
from .nb02_image import lay_on, place_in_sequence, small_print, token_of_pixel
from .nb03_audio import louder, samples_that_fit, sound_alike, to_mono
from .nb04_video import clip_tokens, on_screen, stretched, true_times
from .nb05_pipeline import down_mix, pooled_mask, room_left, safe_map
from .nb06_fuse import attention_in_box, merge_modalities, recall_at_k
from .nb07_updates import find_items, state_of_prompt, tiled_content
from .nb08_register import embed_clips, expand_text, wrapped_clip
from .nb09_pictures import answered_and_right, embeddings_fit, phi_prompt
from .nb10_sound import whisper_prompt, windows, word_error_rate, worth_asking
from .nb11_serving import held_bytes, percentile, wait_before_retry
from .nb12_big import blocks_held, steps_needed, tokens_found
from .nb13_applications import least_cost, odd_one_out, precision_and_recall
from .nb14_trouble import first_difference, tokens_in_cache, wrong_places
from .nb15_train import answer_labels, leaks, pairs


def exercises() -> list[Exercise]:
    """All exercises of the course, in its order."""
    return sorted((each for each in globals().values() if isinstance(each, Exercise)), key=lambda each: each.place)


def progress() -> None:
    """Print which exercises you have solved: a line for each notebook, ● for each solved one."""
    print_progress(exercises())
