"""Processes that are recognized after their number was given to another, or the machine restarted."""

import dataclasses
import os

import pytest

from odtk import process_identity
from odtk.process_identity import ProcessIdentity, identify


def test_this_process_is_alive_also_after_the_machine_was_renamed(monkeypatch):
    here = identify()
    assert here.pid == os.getpid()
    assert ProcessIdentity.from_text(here.as_text()) == here
    monkeypatch.setattr(process_identity.socket, "gethostname", lambda: "renamed")
    assert here.is_alive()


@pytest.mark.parametrize(
    "change", [{"started": "1"}, {"boot": "earlier"}, {"processes": "another"}, {"pid": 2**22 + 1}]
)
def test_another_one_is_not(change):
    assert not dataclasses.replace(identify(), **change).is_alive()


def test_without_an_id_of_the_kernel_the_name_of_the_machine_counts(monkeypatch):
    monkeypatch.setattr(process_identity, "boot_id", lambda: "")
    here = identify()
    assert here.is_alive()
    assert not dataclasses.replace(here, host="elsewhere").is_alive()
