"""The splits of a dataset: their names, and a choice that shows each class as often as a split's share says."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)

NO_SPLIT = "all"
"""The name of the only split where a dataset has none."""

# Images without objects are shared out like a class of their own.
_NOTHING: Any = ("no objects",)


@dataclass
class _Group:
    """Images that have to stay together: their places in the list, and how many of them show each class."""

    members: list[int]
    labels: Counter


def rank(split: str) -> tuple[int, str]:
    """What splits are sorted by: training first, those of other names last."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def stratify(
    classes: Sequence[Sequence[str]], groups: Sequence[int], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """A split of `fractions` (name to share; together 1) for each image, given its classes and its group's number.

    A group is never divided. The same arguments give the same answer. This is iterative stratification (Sechidis,
    Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011) of groups in place of single examples:
    the class with the fewest images left is shared out first, each of its groups going where most of that class is
    still wanted; among equals where most images are wanted, and then where `fractions` names first.
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
    """The groups, large ones first, as only small ones can even out what large ones leave; shuffled otherwise."""
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
