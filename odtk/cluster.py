"""The processes that train one model together: who they are, and whether they can be reached. Needs no TensorFlow.

They are named by TensorFlow's environment variable TF_CONFIG, which Kubernetes operators and Vertex AI set, or by a
list of addresses that is the same for all of them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from odtk.errors import OdtkError

VARIABLE = "TF_CONFIG"
CHIEF, WORKER = "chief", "worker"
JOIN_SECONDS = 600.0
"""How long to wait for the others: a batch system may start them minutes apart."""

_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})")
_POLL, _CONNECT = 0.5, 2.0  # seconds


@dataclass(frozen=True)
class Cluster:
    """The processes of a run, the chief first, and which of them this one is."""

    addresses: tuple[str, ...]
    """HOST:PORT of each."""
    index: int
    """This process's place in `addresses`."""
    has_chief: bool = False
    """Whether the first one is named chief in TF_CONFIG, and not worker 0."""

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the model dir."""
        return self.index == 0

    @property
    def count(self) -> int:
        """The number of processes."""
        return len(self.addresses)

    @property
    def count_here(self) -> int:
        """The number of processes on this machine, as far as their addresses show it."""
        hosts = [address.rpartition(":")[0] for address in self.addresses]
        return hosts.count(hosts[self.index])

    def name(self, index: int) -> str:
        """`worker 1 (10.0.0.2:2222)`, with TF_CONFIG's own name."""
        kind = CHIEF if self.has_chief and index == 0 else f"{WORKER} {index - self.has_chief}"
        return f"{kind} ({self.addresses[index]})"

    def as_variable(self) -> str:
        """The value of TF_CONFIG that says the same."""
        cluster = {WORKER: self.addresses[self.has_chief :]}
        if self.has_chief:
            cluster = {CHIEF: self.addresses[:1]} | cluster
        is_named_chief = self.has_chief and self.is_chief
        task = {"type": CHIEF, "index": 0} if is_named_chief else {"type": WORKER, "index": self.index - self.has_chief}
        return json.dumps({"cluster": cluster, "task": task})


def find_cluster(
    workers: str | None, worker_index: int | None, environment: Mapping[str, str] = os.environ
) -> Cluster | None:
    """The cluster of `workers` ("HOST:PORT,...") or else of TF_CONFIG; None for a process that trains alone.

    Raises OdtkError, which names what is wrong, for a cluster that cannot be.
    """
    text = environment.get(VARIABLE, "").strip()
    if workers is None:
        if worker_index is not None:
            raise OdtkError(
                f"The index of this worker is {worker_index}, but there is no list of workers. Give the addresses of "
                "all, the same list on each machine.",
                argument="workers",
            )
        cluster = _of_variable(text) if text else None
    else:
        cluster = _of_list(workers, worker_index)
        if text and (stated := _of_variable(text)) is not None and stated != cluster:
            raise OdtkError(
                f"The list of workers and the environment variable {VARIABLE} name different clusters: {cluster} and "
                f"{stated}. Leave out one of the two (`unset {VARIABLE}`).",
                argument="workers",
            )
    return None if cluster is None or cluster.count == 1 else cluster


def meet(
    cluster: Cluster, log: Callable[[str], None], seconds: float = JOIN_SECONDS, clock: Callable[[], float] = time.time
) -> None:
    """Returns when all others are there: each listens at its port until it has reached all others.

    Raises OdtkError that names those that cannot be reached after `seconds`, or if this one's port is taken. TensorFlow
    itself would wait for them forever.
    """
    end, others = clock() + seconds, {index for index in range(cluster.count) if index != cluster.index}
    with _listening(cluster):
        is_told = False
        while others:
            reasons = {index: _refusal(cluster.addresses[index]) for index in sorted(others)}
            others = {index for index, refusal in reasons.items() if refusal}
            if others and clock() >= end:
                raise _not_reached(cluster, {index: str(reasons[index]) for index in others}, seconds)
            if others and not is_told:
                is_told = True
                log(f"Waiting for {', '.join(cluster.name(index) for index in sorted(others))}.")
            if others:
                time.sleep(_POLL)


def unreachable(cluster: Cluster) -> list[int]:
    """The others at whose addresses nothing listens."""
    others = [index for index in range(cluster.count) if index != cluster.index]
    return [index for index in others if _refusal(cluster.addresses[index])]


def _of_list(workers: str, index: int | None) -> Cluster:
    addresses = _addresses([each.strip() for each in workers.split(",")], "the list of workers", "workers")
    if index is None:
        raise OdtkError(
            f"There are {len(addresses)} workers, but which of them this machine is was not said: the index of its "
            f"address, from 0 to {len(addresses) - 1}.",
            argument="worker_index",
        )
    if not 0 <= index < len(addresses):
        raise OdtkError(
            f"The index of this worker is {index}, but the list has {len(addresses)} workers: give 0 to "
            f"{len(addresses) - 1}.",
            argument="worker_index",
        )
    return Cluster(addresses, index)


def _of_variable(text: str) -> Cluster | None:
    """None if it names no cluster, as where a service sets it for a single machine."""
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is not JSON ({error}): {_short(text)}") from error
    if not isinstance(stated, dict):
        raise _wrong(f"is {_short(text)}, but must be an object with `cluster` and `task`")
    cluster = stated.get("cluster", {})
    if not isinstance(cluster, dict):
        raise _wrong(f"has the cluster {_short(cluster)}, but that must be an object of lists of addresses")
    if not any(cluster.values()):
        return None
    _refuse_other_jobs(cluster, stated.get("task"))
    chiefs, workers = (_listed(cluster, job) for job in (CHIEF, WORKER))
    if len(chiefs) > 1:
        raise _wrong(f"has {len(chiefs)} chiefs, but there must be at most one")
    addresses = _addresses([*chiefs, *workers], VARIABLE, None)
    kind, index = _task(stated.get("task"), {CHIEF: len(chiefs), WORKER: len(workers)})
    return Cluster(addresses, index + (len(chiefs) if kind == WORKER else 0), bool(chiefs))


def _refuse_other_jobs(cluster: dict, task: object) -> None:
    kinds = [job for job, addresses in cluster.items() if addresses]
    if isinstance(task, dict):
        kinds.append(str(task.get("type", WORKER)))
    why = {
        "evaluator": "training evaluates by itself, so a separate evaluator has nothing to do",
        "ps": "parameter servers are not used: each worker has all weights",
    }
    for kind in kinds:
        if kind not in (CHIEF, WORKER):
            reason = why.get(kind, "odtk knows chief and worker alone")
            raise _wrong(f"has the job {_short(kind)}, but {reason}. Start chief and workers without it")


def _listed(cluster: dict, job: str) -> list:
    addresses = cluster.get(job) or []
    if not isinstance(addresses, list):
        raise _wrong(f"has {_short(addresses)} as cluster.{job}, but that must be a list of addresses")
    return addresses


def _task(task: object, counts: dict[str, int]) -> tuple[str, int]:
    if not isinstance(task, dict):
        raise _wrong(f"has {_short(task)} as task, but that must say which of the cluster this process is")
    kind, index = task.get("type"), task.get("index")
    if kind not in counts or not counts[kind]:
        there = " and ".join(job for job, count in counts.items() if count)
        raise _wrong(f"has the task type {_short(kind)}, but its cluster has {there}")
    try:
        number = int(index) if isinstance(index, (str, int)) and not isinstance(index, bool) else -1
    except ValueError:
        number = -1
    if not 0 <= number < counts[kind]:
        raise _wrong(
            f"has the task index {_short(index)}, but its cluster has {counts[kind]} of {kind}: give 0 to "
            f"{counts[kind] - 1}"
        )
    return str(kind), number


def _addresses(found: list, where: str, argument: str | None) -> tuple[str, ...]:
    for address in found:
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or not 0 < int(match[2]) < 2**16:
            raise OdtkError(
                f"{where} has the address {_short(address)}, but an address is HOST:PORT, such as 10.0.0.1:2222.",
                argument=argument,
            )
    if twice := sorted({address for address in found if found.count(address) > 1}):
        raise OdtkError(
            f"{where} has {twice[0]} {found.count(twice[0])} times, but each process needs an address of its own: give "
            "processes of the same machine different ports.",
            argument=argument,
        )
    return tuple(found)


def _listening(cluster: Cluster) -> socket.socket:
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=max(128, cluster.count))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OdtkError(
            f"Port {port} of {cluster.name(cluster.index)} is in use on this machine, by another process. End that (an "
            "earlier run?), or give another port in the list of all workers."
        ) from error


def _refusal(address: str) -> str | None:
    """Why an address cannot be reached; None if it can be."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _not_reached(cluster: Cluster, refusals: dict[int, str], seconds: float) -> OdtkError:
    named = ", ".join(f"{cluster.name(index)}: {refusal}" for index, refusal in sorted(refusals.items()))
    return OdtkError(
        f"{cluster.name(cluster.index)} has waited {seconds:.0f} seconds for the others, and could not reach {named}. "
        "Start the same command on each machine, with the same addresses; they must be able to reach each other at "
        "these ports (firewall, names)."
    )


def _wrong(text: str) -> OdtkError:
    return OdtkError(f"The environment variable {VARIABLE} {text}. An example: {_EXAMPLE}")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
