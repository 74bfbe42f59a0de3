"""Which class names are taken for misspellings of others, and which are not."""

import pytest

from odtk.datasets.class_typos import likely_typos, question


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        ("mgu", "mug"),  # exchanged
        ("dgo", "dog"),
        ("mugg", "mug"),  # doubled
        ("helmt", "helmet"),  # left out
        ("persom", "person"),  # another letter
        ("Persn", "person"),
        ("trafic light", "traffic_light"),
        ("TrafficLihgt", "TrafficLight"),
        ("chiuahau", "chihuahua"),  # two edits in a long word
        ("yorkshire_terier", "yorkshire_terrier"),
        ("кошак", "кошка"),
        ("cats", "cat"),
        ("exit 12 sgin", "exit 12 sign"),
    ],
)
def test_a_rare_name_a_letter_from_a_frequent_one_is_a_slip(slip, right):
    assert likely_typos({slip: 1, right: 31, "kettle": 12}) == {slip: right}
    assert likely_typos({slip: 20, right: 31}) == {}, "both are frequent"
    assert likely_typos({slip: 1, right: 2}) == {}, "both are rare"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("cat1", "cat2"),
        ("speed limit 30", "speed limit 80"),
        ("class_a", "class_b"),
        ("playerA", "playerB"),
        ("left", "right"),
        ("left_eye", "right_eye"),
        ("10c", "10d"),
        ("A", "B"),
        ("cat", "car"),
        ("boat", "goat"),
        ("RBC", "WBC"),
        ("ripe", "unripe"),
        ("typical", "atypical"),
        ("defective", "undefective"),
        ("mask", "no mask"),
        ("male", "female"),
        ("小汽车", "小火车"),
        ("mug", "Mug"),  # which is another finding
        ("", "mug"),
        ("C++", "C#"),
    ],
)
def test_names_of_different_classes_are_not(one, two):
    assert likely_typos({one: 1, two: 1000}) == {}


def test_the_most_frequent_neighbor_is_meant_and_is_no_slip_itself():
    assert likely_typos({"boook": 1, "book": 30, "boooks": 900}) == {"boook": "boooks"}
    assert likely_typos({"helmet": 5000, "helmt": 40, "helmtt": 1}) == {"helmt": "helmet", "helmtt": "helmet"}


def test_names_of_a_label_map_are_right_however_few_they_are():
    assert likely_typos({"mgu": 31}, known=["mug", "cup"]) == {"mgu": "mug"}
    assert likely_typos({"mgu": 31, "mug": 4}, known=["mug"]) == {"mgu": "mug"}
    assert likely_typos({"mgu": 1, "mug": 31}, known=["mgu", "mug"]) == {"mgu": "mug"}, "a map made of the data"
    assert likely_typos({"mgu": 7, "mug": 8}, known=["mgu", "mug"]) == {}


def test_thousands_of_names_are_compared():
    names = [f"{a}{b}{c}{d}ling" for a in "bcdfgh" for b in "aeiou" for c in "klmnprst" for d in "aeiouy"]
    counts = dict.fromkeys(names, 100) | {"karpfenfsich": 1, "karpfenfisch": 70}
    assert likely_typos(counts) == {"karpfenfsich": "karpfenfisch"}


def test_what_is_too_long_for_a_word_is_not_compared():
    gibberish = "long" * 1000  # of which eight million spellings lack a letter or two
    assert likely_typos({gibberish + "x": 1, gibberish: 31, "mgu": 1, "mug": 31}) == {"mgu": "mug"}


def test_the_question_names_both_counts_and_a_place():
    counts = {"mgu": 1, "mug": 3100}
    assert question("mgu", "mug", counts, "a/b.xml") == "'mgu' (1, a/b.xml): did you mean 'mug' (3,100)?"
    assert question("mgu", "Mug", counts) == "'mgu' (1): did you mean 'Mug'?"
