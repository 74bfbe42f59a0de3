from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtk.datasets.splits import stratify

CLASSES = st.lists(st.sampled_from("abcdefgh"), max_size=4)
FRACTIONS = st.sampled_from(
    [{"train": 0.7, "val": 0.3}, {"train": 0.8, "val": 0.1, "test": 0.1}, {"train": 0.5, "val": 0.5}, {"train": 1.0}]
)


def _images_by_class(classes, chosen, split):
    counts = Counter()
    for names, where in zip(classes, chosen, strict=True):
        if split is None or where == split:
            counts.update(set(names) or {None})
    return counts


@settings(max_examples=60)
@given(st.lists(CLASSES, min_size=1, max_size=150), FRACTIONS, st.integers(0, 99), st.data())
def test_groups_stay_whole_and_the_same_seed_gives_the_same_split(classes, fractions, seed, data):
    groups = data.draw(st.lists(st.integers(0, 40), min_size=len(classes), max_size=len(classes)))
    chosen = stratify(classes, groups, fractions, seed)
    assert set(chosen) <= set(fractions)
    assert len(set(zip(groups, chosen, strict=True))) == len(set(groups))
    assert stratify(classes, groups, fractions, seed) == chosen


@settings(max_examples=60)
@given(st.lists(CLASSES, min_size=20, max_size=300), FRACTIONS, st.integers(0, 99))
def test_each_class_gets_its_share(classes, fractions, seed):
    chosen = stratify(classes, range(len(classes)), fractions, seed)
    totals = _images_by_class(classes, chosen, None)
    for split, share in fractions.items():
        counts = _images_by_class(classes, chosen, split)
        # An image has up to four classes; serving one may cost another a place or two.
        assert all(abs(counts[name] - share * total) <= 4 + 0.05 * total for name, total in totals.items())
        assert abs(chosen.count(split) - share * len(classes)) <= 4 + 0.05 * len(classes)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=200), st.integers(0, 9))
@settings(max_examples=40)
def test_with_one_class_per_image_shares_are_exact_to_one_image(names, seed):
    classes = [[name] for name in names]
    chosen = stratify(classes, range(len(classes)), {"train": 0.7, "val": 0.3}, seed)
    for name, total in Counter(names).items():
        found = sum(where == "val" for each, where in zip(names, chosen, strict=True) if each == name)
        assert abs(found - 0.3 * total) < 1


def test_images_without_objects_are_shared_out_like_a_class():
    classes = [[]] * 10 + [["cat"]] * 90
    chosen = stratify(classes, range(100), {"train": 0.7, "val": 0.3}, 0)
    assert Counter(chosen[:10]) == {"train": 7, "val": 3}


def test_a_class_of_two_images_is_in_both_splits():
    classes = [["cat"]] * 50 + [["lynx"]] * 2
    for seed in range(20):
        assert set(stratify(classes, range(52), {"train": 0.7, "val": 0.3}, seed)[50:]) == {"train", "val"}


def test_the_seed_matters_and_a_share_of_zero_gets_nothing():
    classes = [["cat"]] * 50
    splits = [stratify(classes, range(50), {"train": 0.7, "val": 0.3, "test": 0.0}, seed) for seed in range(2)]
    assert splits[0] != splits[1]
    assert Counter(splits[0]) == {"train": 35, "val": 15}


@pytest.mark.parametrize("size", [2, 5, 20])
def test_groups_of_any_size_keep_the_shares(size):
    classes = [[f"class {index // size % 4}"] for index in range(400)]
    chosen = stratify(classes, [index // size for index in range(400)], {"train": 0.7, "val": 0.3}, 1)
    for name in {names[0] for names in classes}:
        found = sum(where == "val" for each, where in zip(classes, chosen, strict=True) if each == [name])
        assert abs(found - 30) <= size
