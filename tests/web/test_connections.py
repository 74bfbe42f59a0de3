"""Bytes as they come: paths that no client sends, broken requests, and connections that are left open."""

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from patience import until

from odtk.web import connections, routing


@pytest.fixture
def place(studio):
    """Where a studio listens: (host, port)."""
    parts = urlsplit(studio.address)
    return parts.hostname, parts.port


def send(place, request: bytes) -> bytes:
    """All that the studio answers until it closes the connection."""
    with socket.create_connection(place, timeout=120) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def get(place, path: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", b""]
    return send(place, b"\r\n".join(lines))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_paths_that_clients_tidy_up_lead_nowhere(studio, place):
    secret = studio.folder.parent / "secret.txt"
    secret.write_text("outside")
    for path in (b"/files/../secret.txt", b"/files/../../secret.txt", b"/static/../../../../../secret.txt", b"/../x"):
        answer = get(place, path)
        assert status(answer) == 404, path
        assert b"outside" not in answer
    # In whole: proxies do it.
    assert status(get(place, b"http://evil.example/jobs")) in (400, 404)
    assert status(get(place, b"/static/..%2fsecurity.py")) == 404
    assert status(get(place, b"//evil.example/%2e%2e")) == 404


def test_broken_requests_are_refused(place):
    for request in (
        b"GET / HTTP/1.1\r\n\r\n",  # without a host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: x\r\n" * 200_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
        b"\r\n" * 500_000,
    ):
        try:
            answer = send(place, request)
        except (ConnectionResetError, BrokenPipeError):  # what is not read any more is refused by the system
            continue
        assert answer == b"" or status(answer) in (400, 431), request[:60]
    assert status(send(place, b"GET / HTTP/1.0\r\n\r\n")) == 421


def test_a_length_and_chunks_at_once_smuggle_nothing(place):
    """Proxies and servers may disagree about where such a request ends."""
    body = b"0\r\n\r\nGET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    answer = send(place, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_no_header_of_an_answer_can_be_made_by_a_path(place):
    answer = get(place, b"/files/x%0d%0aSet-Cookie:%20a=b")
    head, _, _ = answer.partition(b"\r\n\r\n")
    assert b"set-cookie" not in head.lower()


def test_a_connection_that_asks_nothing_is_closed(place, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "):
        assert send(place, begun) == b""


def test_a_connection_that_waits_for_events_is_not(place, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with socket.create_connection(place, timeout=120) as connection:
        connection.sendall(b"GET /jobs/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while b"event: jobs" not in received:
            received += connection.recv(65536)
        time.sleep(1)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):  # where it is closed, the end is read without an error
            list(iter(lambda: connection.recv(65536), b""))


def test_a_body_that_does_not_come_is_given_up(place, monkeypatch):
    monkeypatch.setattr(routing, "PATIENCE", 0.3)
    head = b"POST /jobs/1/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    for rest in (b"Content-Length: 100\r\n\r\ncsrf=", b"Transfer-Encoding: chunked\r\n\r\n5\r\ncsrf=\r\n"):
        assert status(send(place, head + form + rest)) == 408


def test_a_large_body_is_refused_before_it_is_sent(place):
    head = b"POST /jobs/1/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    assert status(send(place, head + b"Content-Length: 99999999999999\r\n\r\n")) == 413


def test_many_connections_leave_some_for_others(place, monkeypatch):
    """Whoever holds the most is told to come back, and nothing breaks."""
    opened = [socket.create_connection(place, timeout=120) for _ in range(connections.AT_ONCE)]
    try:
        until(lambda: status(get(place, b"/")) == 503)
    finally:
        for each in opened:
            each.close()
    until(lambda: status(get(place, b"/")) == 200)


def test_a_slow_reader_makes_the_studio_wait_not_grow(studio, place):
    """Large files, to browsers that read nothing: what waits to be sent is bounded."""
    (studio.folder / "large.bin").write_bytes(bytes(50_000_000))
    before = _resident()
    readers = [socket.create_connection(place, timeout=120) for _ in range(10)]
    for each in readers:
        each.sendall(b"GET /files/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(1)
    grown = _resident() - before
    for each in readers:
        each.close()
    assert grown < 50_000_000
    assert threading.active_count() < 60


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss
