"""What libraries print about images does not reach the terminal; all else that comes that way does."""

import subprocess
import sys

from PIL import Image, features
from small_disk import odtk

PRELUDE = """
import os, sys, click
from odtk.cli import main
def command(body):
    main.Commands.get_command = lambda *_: click.Command("inspect", callback=body)
    sys.argv = ["odtk", *sys.argv[1:]]
    main.main()
"""


def run(body, *args):
    code = PRELUDE + f"def body():\n    {body}\ncommand(body)"
    command = [sys.executable, "-c", code, *(args or ["inspect"])]
    return subprocess.run(command, capture_output=True, text=True, check=False)


LINES = (
    r"Corrupt JPEG data: 3 extraneous bytes\nmine\nLZWDecode: Not enough data\nlibpng warning: x\n"
    r"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nfully_quantize: 0, inference_type: 6\n"
)
NOISE = f'os.write(2, b"{LINES}")'


def test_noise_is_dropped_and_the_rest_passes():
    done = run(f'{NOISE}; click.echo("said", err=True); click.echo("result")')
    assert sorted(done.stderr.split()) == ["mine", "said"]
    assert (done.returncode, done.stdout) == (0, "result\n")


def test_debug_shows_it():
    assert "Corrupt JPEG data" in run(NOISE, "--debug", "inspect").stderr


def test_the_last_words_of_a_crash_are_not_lost():
    done = run(r'os.write(2, b"F check failed\n" + b"last words"); os.abort()')
    assert done.returncode == -6
    assert done.stderr == "F check failed\nlast words"


def test_an_error_is_said_and_the_exit_code_stays():
    done = run("[][1]")
    assert done.returncode == 1
    assert "IndexError" in done.stderr


def test_a_process_without_stdin_and_stdout_keeps_its_stderr():
    body = r'os.write(2, b"Corrupt JPEG data\nmine\n")'
    code = f"{PRELUDE}def body():\n    {body}\ncommand(body)"
    command = ["sh", "-c", 'exec <&- >&-; exec "$@"', "sh", sys.executable, "-c", code, "inspect"]
    assert subprocess.run(command, stderr=subprocess.PIPE, check=False).stderr == b"mine\n"


def test_a_command_without_stderr_runs():
    command = f"exec 2>&-; exec {sys.executable} -m odtk inspect nowhere"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_damaged_images_are_named_by_odtk_alone(tmp_path):
    picture = Image.effect_noise((200, 200), 50)
    picture.save(tmp_path / "lzw.tif", compression="tiff_lzw" if features.check("libtiff") else None)
    data = (tmp_path / "lzw.tif").read_bytes()
    (tmp_path / "lzw.tif").write_bytes(data[:9000] + bytes(100) + data[9100:])
    Image.new("1", (12_000, 8_000)).save(tmp_path / "bomb.png")
    for name in ("lzw", "bomb"):
        (tmp_path / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    done = odtk("inspect", tmp_path)
    assert f"{tmp_path}/lzw.tif: the image cannot be decoded" in done.stdout
    assert f"{tmp_path}/bomb.png: the image is 12000x8000" in done.stdout
    assert [line for line in done.stderr.splitlines() if not line.startswith("Looking at ")] == []
