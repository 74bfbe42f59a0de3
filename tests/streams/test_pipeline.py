"""Stages at the same time: bounded, in order, nothing lost, and one error ends all of them."""

import threading
import time

import pytest
from patience import SECONDS, until

from odtk.streams.drop_oldest import DropOldest
from odtk.streams.pipeline import Stage, flowing


def each(work):
    return lambda things: [work(thing) for thing in things]


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("odtk ")]


@pytest.fixture(autouse=True)
def no_threads_are_left():
    yield
    until(lambda: not running())  # one that has handed on its last thing may still be ending


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("workers", [1, 3])
def test_everything_arrives_once_and_in_order(batch, workers):
    sizes = []

    def infer(things):
        sizes.append(len(things))
        return [thing * 10 for thing in things]

    stages = [
        Stage("decode", each(lambda thing: time.sleep(0.002 * (thing % 3)) or thing), workers=workers),
        Stage("infer", infer, batch=batch),
        Stage("draw", each(str)),
    ]
    with flowing(range(30), stages) as results:
        assert list(results) == [str(number * 10) for number in range(30)]
    assert sizes == ([1] * 30 if batch == 1 else [4] * 7 + [2])
    with flowing([], stages) as results:
        assert list(results) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fast_source_waits_for_a_slow_reader(workers):
    """What is on its way never exceeds what the channels hold and the threads have in hand."""
    produced, under_way, most = 0, set(), 0

    def source():
        nonlocal produced, most
        for produced in range(200):
            under_way.add(produced)
            most = max(most, len(under_way))
            yield produced

    stages = [Stage("decode", each(lambda thing: thing), workers=workers), Stage("infer", list, batch=4)]
    with flowing(source(), stages, capacity=2) as results:
        for count, thing in enumerate(results):
            if count < 20:
                # The source gets as far ahead as it can.
                settled = -1
                while settled != produced:
                    settled = produced
                    time.sleep(0.01)
            under_way.remove(thing)
    assert under_way == set()
    # Channels of 2, 4 and 2, or of as many as there are workers; one thing in the source's hand, as many as it takes in
    # each stage's (4 of a batch, of which the first may have been handed on), one in the reader's.
    assert 8 < most <= 2 + 4 + 2 + 1 + 1 + 4 + 1


def test_a_stage_with_a_batch_does_not_wait_for_a_live_source():
    shown = threading.Event()

    def source():
        yield 1
        assert shown.wait(SECONDS), "the first picture waited for a second one"
        yield 2

    with flowing(source(), [Stage("infer", list, batch=4)], is_live=True) as results:
        assert next(results) == 1
        shown.set()
        assert list(results) == [2]


@pytest.mark.parametrize("place", ["source", "decode", "infer", "draw"])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_anywhere_ends_everything_and_is_the_one_that_is_raised(place, workers):
    def failing(name):
        def work(thing):
            if name == place and thing == 5:
                raise ValueError(f"{name} fails")
            return thing

        return work

    def source():
        number = 0
        while True:  # only an error ends it
            yield failing("source")(number)
            number += 1

    stages = [
        Stage("decode", each(failing("decode")), workers=workers),
        Stage("infer", each(failing("infer")), batch=2),
        Stage("draw", each(failing("draw"))),
    ]
    with pytest.raises(ValueError, match=f"{place} fails"), flowing(source(), stages) as results:
        for _ in results:
            pass
    assert running() == []


def test_a_reader_that_fails_or_leaves_ends_the_threads_and_closes_the_source():
    closed = []

    def source():
        try:
            yield from range(10**9)
        finally:
            closed.append(threading.current_thread().name)

    def interrupted(thing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), flowing(source(), [Stage("infer", list)]) as results:
        interrupted(next(results))
    with flowing(source(), [Stage("infer", list)]) as results:
        assert next(results) == 0
    assert closed == ["odtk source"] * 2


def test_a_live_source_drops_the_oldest_and_counts_it():
    """A camera at full speed: whoever reads gets what is shown now, and each picture is read or counted."""
    is_read = threading.Event()

    def camera():
        yield from range(50)
        is_read.set()

    live = DropOldest([camera()], capacity=2)
    pictures = iter(live)
    seen = [next(pictures)]
    assert is_read.wait(SECONDS), "a camera waits for nobody"
    seen += pictures
    assert seen[-2:] == [48, 49]
    assert seen == sorted(set(seen))
    assert live.dropped == [50 - len(seen)]


def test_live_sources_take_turns_and_end_alone():
    ended = threading.Event()

    def short():
        yield "short"
        ended.set()

    def endless():
        ended.wait(SECONDS)
        for _ in range(3):
            yield "long"

    assert sorted(set(DropOldest([short(), endless()]))) == ["long", "short"]


def test_an_error_of_a_camera_is_raised_after_what_it_showed():
    def camera():
        yield 1
        raise OSError("unplugged")

    live = iter(DropOldest([camera()]))
    assert next(live) == 1
    with pytest.raises(OSError, match="unplugged"):
        next(live)


def test_a_live_source_ends_when_it_is_asked_to():
    let_go = []
    asked = threading.Event()

    def camera():
        try:
            while True:
                yield time.sleep(0.001)
        finally:
            let_go.append(True)

    live = DropOldest([camera()], should_stop=asked.is_set)
    with flowing(live, [Stage("infer", list)], is_live=True) as results:
        next(results)
        asked.set()
        assert len(list(results)) <= 5
    while running():
        time.sleep(0.001)
    assert let_go == [True]


def test_workers_that_wait_for_a_network_do_not_hold_up_the_end():
    answers, answered, begun = threading.Event(), [], threading.Semaphore(0)

    def download(thing):
        begun.release()
        answers.wait(SECONDS)
        answered.append(thing)
        return thing

    def interrupted():
        with flowing(range(9), [Stage("decode", each(download), workers=2), Stage("detect", list)]):
            for _ in range(2):
                begun.acquire()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not answered  # nobody has waited for them
    answers.set()
