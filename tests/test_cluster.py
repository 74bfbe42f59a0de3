"""Who trains together: TF_CONFIG and lists of addresses, and whether they can be reached."""

import json
import socket
import threading

import pytest
from patience import SECONDS, until

from odtk.cluster import Cluster, find_cluster, meet, unreachable
from odtk.errors import OdtkError

TWO = ["10.0.0.1:2222", "10.0.0.2:2222"]


def of(cluster: object, task: object = None) -> Cluster | None:
    stated = {"cluster": cluster} if task is None else {"cluster": cluster, "task": task}
    return find_cluster(None, None, {"TF_CONFIG": json.dumps(stated)})


def test_the_chief_comes_first_and_each_keeps_its_name():
    cluster = of({"worker": TWO, "chief": ["head:2222"]}, {"type": "worker", "index": 1})
    assert cluster == Cluster(("head:2222", *TWO), 2, has_chief=True)
    assert [cluster.name(index) for index in range(2)] == ["chief (head:2222)", f"worker 0 ({TWO[0]})"]
    assert not cluster.is_chief
    assert of({"worker": TWO}, {"type": "worker", "index": "0"}).is_chief  # operators write numbers as text, too
    assert find_cluster(None, None, {"TF_CONFIG": cluster.as_variable()}) == cluster


def test_workers_on_one_machine_are_counted():
    addresses = ("10.0.0.1:2222", "10.0.0.1:2223", "10.0.0.2:2222", "[::1]:2222")
    assert [Cluster(addresses, index).count_here for index in range(4)] == [2, 2, 1, 1]


def test_a_list_of_addresses_is_the_same_as_the_variable():
    cluster = find_cluster("10.0.0.1:2222, 10.0.0.2:2222", 1, {})
    assert cluster == of({"worker": TWO}, {"type": "worker", "index": 1})
    assert find_cluster(",".join(TWO), 1, {"TF_CONFIG": cluster.as_variable()}) == cluster
    with pytest.raises(OdtkError, match="name different clusters"):
        find_cluster(",".join(TWO), 0, {"TF_CONFIG": cluster.as_variable()})


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {}}', '{"task": {"type": "worker", "index": 0}}'])
def test_without_a_cluster_a_process_trains_alone(text):
    assert find_cluster(None, None, {"TF_CONFIG": text}) is None


def test_a_cluster_of_one_trains_alone():
    assert of({"chief": ["head:2222"]}, {"type": "chief", "index": 0}) is None
    assert find_cluster("localhost:2222", 0, {}) is None


@pytest.mark.parametrize(
    ("cluster", "task", "said"),
    [
        ({"worker": TWO}, None, "has null as task"),
        ({"worker": TWO}, {"type": "chief", "index": 0}, "the task type chief, but its cluster has worker"),
        ({"worker": TWO}, {"type": "worker", "index": 2}, "task index 2, but its cluster has 2 of worker: give 0 to 1"),
        ({"worker": TWO}, {"type": "worker", "index": True}, "the task index true"),
        ({"worker": TWO}, {"type": "evaluator", "index": 0}, "the job evaluator, but training evaluates by itself"),
        ({"worker": TWO, "ps": ["a:1"]}, {"type": "worker", "index": 0}, "the job ps, but parameter servers"),
        ({"chief": TWO}, {"type": "chief", "index": 0}, "has 2 chiefs"),
        ({"worker": "a:1"}, {"type": "worker", "index": 0}, "has a:1 as cluster.worker"),
        ({"worker": ["a", "b:1"]}, {"type": "worker", "index": 0}, "has the address a, but an address is HOST:PORT"),
        ({"worker": ["a:70000", "b:1"]}, {"type": "worker", "index": 0}, "has the address a:70000"),
        ({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}, "has a:1 2 times"),
        (TWO, {"type": "worker", "index": 0}, "must be an object of lists of addresses"),
    ],
)
def test_what_is_wrong_with_the_variable_is_named(cluster, task, said):
    with pytest.raises(OdtkError) as error:
        of(cluster, task)
    assert said in str(error.value)


def test_a_variable_that_is_not_json_is_named():
    with pytest.raises(OdtkError, match=r"TF_CONFIG is not JSON .*: worker,0"):
        find_cluster(None, None, {"TF_CONFIG": "worker,0"})


@pytest.mark.parametrize(
    ("workers", "index", "argument"),
    [(None, 0, "workers"), (",".join(TWO), None, "worker_index"), (",".join(TWO), 2, "worker_index"),
     ("a:1,b", 0, "workers")],
)  # fmt: skip
def test_what_is_wrong_with_a_list_names_its_argument(workers, index, argument):
    with pytest.raises(OdtkError) as error:
        find_cluster(workers, index, {})
    assert error.value.argument == argument


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_workers_meet_in_any_order():
    addresses, told = tuple(f"localhost:{port}" for port in free_ports(2)), []

    def come_late():
        until(lambda: told)
        meet(Cluster(addresses, 1), told.append, seconds=SECONDS)
        with socket.create_server(("", int(addresses[1].rpartition(":")[2]))):  # as TensorFlow does then
            met.wait(SECONDS)

    met, late = threading.Event(), threading.Thread(target=come_late)
    late.start()
    meet(Cluster(addresses, 0), told.append, seconds=SECONDS)
    met.set()
    late.join(SECONDS)
    assert told == [f"Waiting for worker 1 ({addresses[1]})."]


def test_a_worker_that_is_not_there_is_named_in_the_end():
    addresses = tuple(f"localhost:{port}" for port in free_ports(2))
    with pytest.raises(OdtkError) as error:
        meet(Cluster(addresses, 0), print, seconds=0)
    assert f"could not reach worker 1 ({addresses[1]}): Connection refused" in str(error.value)
    assert unreachable(Cluster(addresses, 0)) == [1]


def test_a_port_in_use_is_named():
    with socket.create_server(("", 0)) as other:
        address = f"localhost:{other.getsockname()[1]}"
        with pytest.raises(OdtkError, match="is in use on this machine"):
            meet(Cluster((address, "localhost:1"), 0), print, seconds=0)
