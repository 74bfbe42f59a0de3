import ctypes
import re

from odtk import native_log


def test_abseils_level_is_that_of_the_rest_of_tensorflow(monkeypatch):
    library = native_log._libraries()[0]
    setter = native_log._find_symbol(library)
    functions = ctypes.CDLL(str(library))
    read = getattr(functions, re.sub(r"14Set(MinLogLevel)E.*", r"11\1Ev", setter))
    before = read()
    try:
        for level in ("3", "1"):
            monkeypatch.setenv(native_log.LEVEL, level)
            assert native_log.heed_log_level.__wrapped__()
            assert read() == int(level)
        monkeypatch.setenv(native_log.LEVEL, "0")  # as with --debug
        assert not native_log.heed_log_level.__wrapped__()
        assert read() == 1
    finally:
        getattr(functions, setter)(before)


def test_a_library_without_abseil_is_no_error(tmp_path):
    library = tmp_path / "libother.so"
    library.write_bytes(b"nothing of the kind")
    assert native_log._find_symbol(library) is None
