"""Planted answers to the exercises of 06_align_and_fuse."""

from . import right, wrong


@wrong("merge_modalities")
def checks_only_the_total(kinds, words, items):
    vectors = {modality: list(given) for modality, given in items.items()}
    if sum(map(len, vectors.values())) != len(kinds) - kinds.count("text"):
        raise ValueError
    return [word if kind == "text" else vectors[kind].pop(0) for kind, word in zip(kinds, words, strict=True)]


@wrong("merge_modalities")
def checks_only_what_has_vectors(kinds, words, items):
    for modality, vectors in items.items():
        if kinds.count(modality) != len(vectors):
            raise ValueError
    left = {modality: list(vectors) for modality, vectors in items.items()}
    return [left[kind].pop(0) if left.get(kind) else word for kind, word in zip(kinds, words, strict=True)]


@wrong("merge_modalities")
def knows_two_modalities(kinds, words, items):
    images, audios = list(items.get("image", [])), list(items.get("audio", []))
    if (len(images), len(audios)) != (kinds.count("image"), kinds.count("audio")):
        raise ValueError
    merged = []
    for kind, word in zip(kinds, words, strict=True):
        merged.append(images.pop(0) if kind == "image" else audios.pop(0) if kind == "audio" else word)
    return merged


@right("merge_modalities")
def pops_from_copies(kinds, words, items):
    left = {modality: list(vectors) for modality, vectors in items.items()}
    merged = []
    for kind, word in zip(kinds, words, strict=True):
        if kind != "text" and not left.get(kind):
            raise ValueError("too few")
        merged.append(word if kind == "text" else left[kind].pop(0))
    if any(left.values()):
        raise ValueError("too many")
    return merged


@right("merge_modalities")
def by_index(kinds, words, items):
    from collections import Counter

    counts = Counter(kinds)
    del counts["text"]
    if counts != Counter({modality: len(vectors) for modality, vectors in items.items()}):
        raise ValueError
    merged, seen = list(words), Counter()
    for at, kind in enumerate(kinds):
        if kind != "text":
            merged[at] = items[kind][seen[kind]]
            seen[kind] += 1
    return merged


@right("merge_modalities")
def by_arrays(kinds, words, items):
    import numpy as np

    merged = np.array(words, float)
    for modality in {*kinds, *items} - {"text"}:
        places = [at for at, kind in enumerate(kinds) if kind == modality]
        vectors = items.get(modality, [])
        if len(places) != len(vectors):
            raise ValueError
        if places:
            merged[places] = vectors
    return merged


@wrong("recall_at_k")
def takes_argmax(similarity, k):
    return sum(row.index(max(row)) == i for i, row in enumerate(similarity)) / len(similarity)


@wrong("recall_at_k")
def sorts_and_forgives_ties(similarity, k):
    found = 0
    for i, row in enumerate(similarity):
        found += row[i] in sorted(row, reverse=True)[:k]
    return found / len(similarity)


@wrong("recall_at_k")
def divides_by_k(similarity, k):
    found = sum(sum(value >= row[i] for value in row) <= k for i, row in enumerate(similarity))
    return found / len(similarity) / k


@right("recall_at_k")
def with_numpy(similarity, k):
    import numpy as np

    rows = np.array(similarity)
    return ((rows >= rows.diagonal()[:, None]).sum(1) <= k).mean()


@right("recall_at_k")
def with_torch(similarity, k):
    import torch

    rows = torch.tensor(similarity, dtype=torch.float64)
    return ((rows >= rows.diagonal()[:, None]).sum(1) <= k).double().mean()


@right("recall_at_k")
def by_removing_its_own(similarity, k):
    found = 0
    for i, row in enumerate(similarity):
        others = sorted((value for j, value in enumerate(row) if j != i), reverse=True)
        found += len(others) < k or others[k - 1] < row[i]
    return found / len(similarity)


@wrong("attention_in_box")
def counts_overlapping_tokens(weights, grid, cell, box):
    inside = 0.0
    for number, weight in enumerate(weights):
        row, column = divmod(number, grid[1])
        x, y = column * cell, row * cell
        if x < box[2] and x + cell > box[0] and y < box[3] and y + cell > box[1]:
            inside += weight
    return inside / sum(weights) if sum(weights) else 0.0


@wrong("attention_in_box")
def takes_weights_for_shares(weights, grid, cell, box):
    inside = 0.0
    for number, weight in enumerate(weights):
        row, column = divmod(number, grid[1])
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        if box[0] <= x < box[2] and box[1] <= y < box[3]:
            inside += weight
    return inside


@wrong("attention_in_box")
def divides_without_looking(weights, grid, cell, box):
    inside = 0.0
    for number, weight in enumerate(weights):
        row, column = divmod(number, grid[1])
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        if box[0] <= x < box[2] and box[1] <= y < box[3]:
            inside += weight
    return inside / sum(weights)


@right("attention_in_box")
def as_a_matrix(weights, grid, cell, box):
    import numpy as np

    table = np.array(weights, float).reshape(grid)
    y, x = ((np.arange(side) + 0.5) * cell for side in grid)
    mask = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))
    return table[mask].sum() / table.sum() if table.sum() else 0.0


@right("attention_in_box")
def by_two_loops(weights, grid, cell, box):
    left, top, right, bottom = box
    total = inside = 0.0
    for row in range(grid[0]):
        for column in range(grid[1]):
            weight = weights[row * grid[1] + column]
            total += weight
            if left <= column * cell + cell / 2 < right and top <= row * cell + cell / 2 < bottom:
                inside += weight
    return 0.0 if total == 0 else inside / total


@right("attention_in_box")
def with_doubled_pixels(weights, grid, cell, box):
    left, top, right, bottom = (2 * side for side in box)
    total = sum(weights) or 1.0
    chosen = [
        weight
        for number, weight in enumerate(weights)
        if left <= (2 * (number % grid[1]) + 1) * cell < right
        and top <= (2 * (number // grid[1]) + 1) * cell < bottom
    ]
    return sum(chosen) / total
