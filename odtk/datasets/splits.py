"""The splits of a dataset: their names, and a stratified split by class."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)

NO_SPLIT = "all"
"""The name of the only split where a dataset has none."""

# Images without objects are distributed like a class of their own.
_NOTHING: Any = ("no objects",)


@dataclass
class _Group:
    """Images that have to stay together: their indices, and how many of them show each class."""

    members: list[int]
    labels: Counter


def rank(split: str) -> tuple[int, str]:
    """The sort key of splits: training first, those with other names last."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def stratify(
    classes: Sequence[Sequence[str]], groups: Sequence[int], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """Chooses a split of `fractions` (name to fraction; sum 1) for each image, given its classes and its group.

    A group is never divided. The result is deterministic. This is iterative stratification (Sechidis, Tsoumakas and
    Vlahavas, "On the Stratification of Multi-Label Data", 2011) of groups instead of single examples: the class with
    the fewest remaining images is distributed first, each of its groups to the split that still needs most of that
    class; ties go to the split that needs most images, then to the first of `fractions`.
    """
    fractions = {split: share for split, share in fractions.items() if share > 0}
    order = _gather(classes, groups, seed)
    totals = sum((group.labels for group in order), Counter())
    wanted = {split: {label: share * count for label, count in totals.items()} for split, share in fractions.items()}
    room = {split: share * len(classes) for split, share in fractions.items()}
    by_label: dict[object, list[int]] = {label: [] for label in sorted(totals, key=str)}
    for index, group in enumerate(order):
        for label in group.labels:
            by_label[label].append(index)
    chosen: dict[int, str] = {}
    while totals:
        label = min(totals, key=lambda label: (totals[label], str(label)))
        for index in by_label.pop(label):
            if index in chosen:
                continue
            group = order[index]
            chosen[index] = best = max(fractions, key=lambda split: (wanted[split][label], room[split]))
            room[best] -= len(group.members)
            for other, count in group.labels.items():
                wanted[best][other] -= count
                totals[other] -= count
        del totals[label]
    answer = {member: chosen[index] for index, group in enumerate(order) for member in group.members}
    return [answer[member] for member in range(len(classes))]


def _gather(classes: Sequence[Sequence[str]], groups: Sequence[int], seed: int) -> list[_Group]:
    """The groups, large ones first, so that small ones can even out the rest; otherwise shuffled."""
    members: dict[int, list[int]] = {}
    for index, number in enumerate(groups):
        members.setdefault(number, []).append(index)
    gathered = list(members.values())
    random.Random(seed).shuffle(gathered)
    gathered.sort(key=len, reverse=True)
    return [
        _Group(places, Counter(label for place in places for label in set(classes[place]) or {_NOTHING}))
        for places in gathered
    ]
