import os
import threading
import time

import pytest

from odtk import parallel
from odtk.errors import DataError, OdtkError


def _square(value):
    return value * value


def _process_id(_):
    return os.getpid()


def _refuse(value):
    if value == 20:
        raise DataError("twenty is too many")
    return value


def _die(value):
    os._exit(3)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(parallel, "MANY", 10)


@pytest.mark.parametrize("num_workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 9, 100])
def test_results_come_in_order(processes, num_workers, count):
    with parallel.mapped(_square, range(count), num_workers) as results:
        assert list(results) == [value * value for value in range(count)]


def test_many_items_go_to_processes_and_few_to_threads(processes):
    with parallel.mapped(_process_id, range(10), 3) as results:
        assert os.getpid() not in set(results)
    for count, num_workers in ((9, 3), (10, 2)):
        with parallel.mapped(_process_id, range(count), num_workers) as results:
            assert set(results) == {os.getpid()}


@pytest.mark.parametrize("count", [30, 9 + 12])
def test_an_error_is_itself(monkeypatch, count):
    monkeypatch.setattr(parallel, "MANY", 25)
    with parallel.mapped(_refuse, range(count), 3) as results, pytest.raises(DataError, match="twenty is too many"):
        list(results)


def test_a_worker_that_dies_is_explained(processes):
    with parallel.mapped(_die, range(20), 3) as results, pytest.raises(OdtkError, match="was killed") as raised:
        list(results)
    assert raised.value.argument == "workers"


def test_only_a_few_results_wait():
    begun = []
    with parallel.mapped(begun.append, range(1000), 2) as results:
        for _ in range(10):
            next(results)
        time.sleep(0.05)
        assert len(begun) <= 10 + 4 * 2 + 2


def test_leaving_early_ends_the_work():
    begun, before = [], threading.active_count()
    with parallel.mapped(begun.append, range(1000), 2) as results:
        next(results)
    count = len(begun)
    time.sleep(0.05)
    assert len(begun) == count < 20
    assert threading.active_count() == before
