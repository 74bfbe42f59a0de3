"""Which job is the next one: urgency, predecessors, and devices that others have."""

import pytest

from odtk.queue.device_sets import canonical, named_in, share_a_device
from odtk.queue.schedule import Choice, is_work_left, next_job


@pytest.fixture
def next_of(queue):
    """The job that a worker of a device would run next, and on what."""

    def ask(device=None):
        with queue._store.reading() as database:
            choice = next_job(database, device)
        return choice and (choice.number, choice.runs_on)

    return ask


def set_running(queue, number: int, runs_on: str) -> None:
    with queue._store.writing() as database:
        database.execute(
            "UPDATE jobs SET state = 'running', runs_on = ?, worker = 'all' WHERE number = ?", (runs_on, number)
        )


def test_each_worker_gets_the_most_urgent_job_of_its_devices(queue, shell, next_of):
    pair = queue.put(shell("a", device="gpu:0,1"), priority=1)
    one = queue.put(shell("b", device="gpu:1"), priority=2)
    anywhere = queue.put(shell("train x --devices auto"), priority=3)
    assert next_of() == (pair, "gpu:0,1")
    assert next_of("gpu:1") == (one, "gpu:1")
    assert next_of("gpu:2") == (anywhere, "gpu:2")
    assert next_of("cpu:0") == (anywhere, "cpu:0")


def test_less_urgent_jobs_do_not_take_what_a_more_urgent_one_waits_for(queue, shell, next_of):
    runs, pair = queue.put(shell("a", device="gpu:0")), queue.put(shell("b", device="gpu:0,1"), priority=1)
    queue.put(shell("c", device="gpu:1"), priority=2)
    free = queue.put(shell("d", device="gpu:2"), priority=3)
    set_running(queue, runs, "gpu:0")
    assert next_of() == (free, "gpu:2")
    urgent = queue.put(shell("e"), priority=1)  # wants the whole machine, and comes after the pair
    assert next_of() is None
    queue.cancel(urgent)
    queue.cancel(pair)
    assert next_of()[1] == "gpu:1"


def test_what_a_command_names_itself_is_kept_free_for_it(queue, shell, next_of):
    own = queue.put(shell("a"))
    with queue._store.writing() as database:
        database.execute("UPDATE jobs SET uses = ?", (named_in(["train", "--devices", "1,0"]),))
    assert next_of() == (own, "gpu:0,1")
    assert next_of("gpu:0") is None


def test_a_job_that_was_started_again_has_a_new_number_of_its_start(queue, shell):
    queue.put(shell("a"))
    with queue._store.writing() as database:
        assert next_job(database, None) == Choice(1, "all", 1)
        database.execute("UPDATE jobs SET starts = 4")
        assert next_job(database, None) == Choice(1, "all", 5)


def test_work_is_left_only_where_a_worker_can_reach_it(queue, shell):
    def is_left(device, *others):
        with queue._store.reading() as database:
            return is_work_left(database, device, [device, *others])

    assert not is_left(None)
    other = queue.put(shell("a", device="gpu:1"))
    middle = queue.put(shell("b", device="gpu:0", after=[other]))
    queue.put(shell("c", device="gpu:2", after=[middle]))
    assert not is_left("gpu:0")
    assert is_left("gpu:0", "gpu:1")
    assert not is_left("gpu:2", "gpu:1")
    assert is_left("gpu:2", "gpu:1", "gpu:0")
    assert is_left(None)
    set_running(queue, other, "gpu:1")
    assert is_left("gpu:0")
    assert not is_left("gpu:1")


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["train"], None),
        (["train", "--devices", "all"], None),
        (["train", "--devices=gpu"], "gpu:0"),
        (["train", "--devices", "gpu:0", "--devices", "cpu"], "cpu:0"),
    ],
)
def test_devices_that_a_command_names(command, found):
    assert named_in(command) == found


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [("gpu:0,1", "1", True), ("gpu:0", "cpu", False), ("all", "cpu", True), ("GPU:2", "gpu:0,1", False)],
)
def test_devices_in_common(one, other, shared):
    assert share_a_device(canonical(one), canonical(other)) == share_a_device(other, one) == shared
