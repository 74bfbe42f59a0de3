import os
import subprocess
import sys

import pytest
import tensorflow as tf

from odtk import devices

# In a process of its own: what malloc was told cannot be taken back.
_FAULTS = """
import ctypes, resource, sys
from odtk.devices import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
if sys.argv[1] == "keep":
    assert keep_freed_memory()
size = 64 << 20

def use():
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    libc.free(block)

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / size)
"""


def _share_of_fresh_pages(how: str) -> float:
    return float(subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_a_large_block_is_used_again_without_asking_the_kernel():
    fresh, kept = _share_of_fresh_pages("not"), _share_of_fresh_pages("keep")
    if fresh < 0.5:
        pytest.skip("this machine's malloc keeps large blocks anyway, or its pages are huge")
    assert kept < 0.01


def test_a_users_setting_of_batch_norms_stays(monkeypatch):
    name = devices.QUICK_BATCH_NORMS
    monkeypatch.setenv(name, "0")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    devices.use_quick_batch_norms()
    assert os.environ[name] == "0"
    assert not devices.has_quick_batch_norms()
    monkeypatch.delenv(name)
    devices.use_quick_batch_norms()
    assert os.environ[name] == "1"
    assert devices.has_quick_batch_norms()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert not devices.has_quick_batch_norms()
