"""Moderation: posts of text, picture and video against a written policy, one audit row a post.

    Post -> frames_of -> a claim for each picture and frame ("no" to the policy's question) -> claims.check
         -> words of the policy in the text -> the worse row of the two

Full size: Qwen/Qwen2.5-VL-7B-Instruct, or a model made for it, such as meta-llama/Llama-Guard-4-12B.
Leaves out sound, links, and who writes the policy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmkit.answers import Answer
from mmkit.applications.claims import Claim, check, row_of, worse
from mmkit.applications.decisions import Thresholds
from mmkit.samples import MultiModalSample
from mmkit.video import Video

LOOKALIKES = str.maketrans(
    "аеорсхту013457$@", "aeopcxtyoleastsa"
)  # Cyrillic letters and digits that pass for Latin


@dataclass(frozen=True)
class Policy:
    """A written rule and how it is looked up.

    question: answered "yes" where a picture breaks the rule.  place: asked then, where in the picture.
    words: a regular expression for the text.
    """

    name: str
    rule: str
    question: str
    place: str
    words: str


@dataclass(frozen=True, eq=False)
class Post:
    """What a user posts.  image: whatever load_image takes.  video: a mmkit.Video."""

    text: str = ""
    image: Any = None
    video: Video | None = None


RED_STAR = Policy(
    name="red-star/1",
    rule="No red star: not in pictures, not in videos, not in words.",
    question="Is there a red star?",
    place="Where is the red star?",
    words=r"\br\W*e\W*d\W*s\W*t\W*a\W*r(?:\W*s)?\b",
)


def frames_of(post: Post) -> Iterator[tuple[str, Any]]:
    """The pictures of a post, each with where it is seen: "picture", or the time of a frame."""
    if post.image is not None:
        yield "picture", post.image
    if post.video is not None:
        yield from (
            (f"{time:.2f} s", frame) for time, frame in zip(post.video.times, post.video.frames, strict=True)
        )


def said(text: str, policy: Policy) -> str | None:
    """The words of a text that break a policy, as they stand in it; None where there are none.

    >>> said("Buy R.E.D-ST4R today", RED_STAR), said("a hundred stars", RED_STAR)
    ('r.e.d-star', None)
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(LOOKALIKES)
    found = re.search(policy.words, plain)
    return found[0] if found else None


def moderate(posts: Sequence[Post], engine: Any, policy: Policy, thresholds: Thresholds) -> list[dict[str, Any]]:
    """One audit row for each post, in order."""
    looks = [
        [Claim("no", policy.question, (frame,), where=where) for where, frame in frames_of(post)] for post in posts
    ]
    rows = check(looks, engine, thresholds, policy=policy.name, choice=("yes", "no"), max_tokens=4)
    for number, post in enumerate(posts):
        if words := said(post.text, policy):
            row = row_of(number, 1.0, thresholds, seen=words, where="text", policy=policy.name)
            rows[number] = worse(rows[number], row)
    return located(rows, posts, engine, policy)


def located(rows: list[dict[str, Any]], posts: Sequence[Post], engine: Any, policy: Policy) -> list[dict[str, Any]]:
    """The rows, with the place in the picture added where a picture is doubted."""
    doubted = [
        row for row in rows if row.get("where") == "picture" and row["decision"] != "allow" and "error" not in row
    ]
    samples = [MultiModalSample(policy.place, (posts[row["case"]].image,)) for row in doubted]
    places = engine.answer(samples, choice=("left", "right", "top", "bottom"), max_tokens=4)
    for row, place in zip(doubted, places, strict=True):
        row["place"] = place.text if isinstance(place, Answer) else None
    return rows
