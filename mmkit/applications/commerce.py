"""E-commerce: a listing, its picture and its price tag; near-duplicates; a review that speaks of another product.

    Listing -> seen_claims, read_claims -> claims.check (one engine sees, one reads)
    pictures -> near_duplicates
    review -> product_in -> how well its words go with each picture -> check_reviews

Full size: Qwen/Qwen2.5-VL-7B-Instruct to look, google/siglip2-base-patch16-224 to find.
Leaves out currencies, variants of one product, and fraud that no picture shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mmkit.applications.claims import READ, Claim, row_of
from mmkit.applications.decisions import EVEN
from mmkit.errors import MmkitError


@dataclass(frozen=True, eq=False)
class Listing:
    """What a shop says of a product and shows of it."""

    description: str  # "a red star"
    price: str  # as it is printed on the tag
    picture: Any
    tag: Any


def seen_claims(listing: Listing) -> list[Claim]:
    """That the picture shows what the listing describes."""
    return [Claim(listing.description, "Describe the image.", (listing.picture,))]


def read_claims(listing: Listing) -> list[Claim]:
    """That the price tag says the price that the listing states, to the letter."""
    return [Claim(listing.price, READ, (listing.tag,), where="price tag")]


def near_duplicates(pictures: Sequence[Any], engine: Any, least: float) -> list[tuple[int, int, float]]:
    """Pairs of pictures (first, second, cosine) whose vectors are at least so near, the nearest first.

    A picture that cannot be read is near to none.
    """
    vectors = engine.embed(images=pictures)
    readable = [n for n, vector in enumerate(vectors) if not isinstance(vector, MmkitError)]
    pairs = [(a, b, float(vectors[a] @ vectors[b])) for a, b in combinations(readable, 2)]
    return sorted((pair for pair in pairs if pair[2] >= least), key=lambda pair: -pair[2])


def product_in(review: str) -> str | None:
    """The product that a review speaks of, in a caption's words.

    >>> product_in("My orange cross came in two days."), product_in("Great!")
    ('an orange cross', None)
    """
    found = re.search(
        r"\b(red|green|blue|yellow|purple|orange) (circle|square|triangle|star|cross)\b", review.lower()
    )
    return f"{'an' if found[1] == 'orange' else 'a'} {found[0]}" if found else None


def check_reviews(reviews: Sequence[tuple[str, int]], pictures: np.ndarray, engine: Any) -> list[dict[str, Any]]:
    """One audit row for each (text, product it stands under); it is strange where another picture is nearer.

    pictures: (products, width) unit vectors.  A review that names no product is allowed: there is nothing to check.
    """
    rows = [
        row_of(number, 0.0, EVEN, where="review", seen=product_in(text)) for number, (text, _) in enumerate(reviews)
    ]
    naming = [row for row in rows if row["seen"]]
    for row, text in zip(naming, engine.embed([row["seen"] for row in naming]), strict=True):
        near, under = pictures @ text, reviews[row["case"]][1]
        margin = np.delete(near, under).max() - near[under]  # cosines; positive: another product is nearer
        row |= row_of(row["case"], float(margin > 0), EVEN, nearest=int(near.argmax()))
    return rows
