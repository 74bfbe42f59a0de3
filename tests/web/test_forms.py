"""Forms that are too large, have too many parts, or are none."""

import pytest
from running_studio import post


def test_large_forms_are_refused(client):
    assert post(client, "/jobs/1/cancel", text="x" * 1_100_000).status_code == 413
    # Without a length, in chunks.
    chunks = (b"csrf=" + b"x" * 100_000 for _ in range(20))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/jobs/1/cancel", content=chunks, headers=form).status_code == 413


def test_many_fields_and_files_are_refused(client):
    many = {f"f{number}": (f"{number}.txt", b"") for number in range(1500)}
    headers = {"x-csrf-token": client.csrf}
    assert client.post("/jobs/1/cancel", files=many, headers=headers).status_code == 400
    body = "&".join("a" for _ in range(30_000))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/jobs/1/cancel", content=body, headers=form | headers).status_code == 400


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "application/json", "text/plain", "\u00e4"],
)
def test_forms_that_are_none_are_refused(client, content_type):
    headers = {"content-type": content_type.encode()}
    answer = client.post("/jobs/1/cancel", content=b"--\r\n\r\ncsrf=1", headers=headers)
    assert answer.status_code in (400, 403)
