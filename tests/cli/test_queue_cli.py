"""`odtk queue` on real queues: tiny jobs, and workers that are processes of their own."""

import dataclasses
import inspect
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from patience import until

import odtk
from odtk.cli import queue_tables, queue_watch
from odtk.cli.main import cli
from odtk.cli.queue import queue as group
from odtk.cli.queued_command import check_command
from odtk.cli.version import version_lines
from odtk.progress_file import ProgressFile, ProgressReport

VERSIONS = "\n".join(version_lines()) + "\n"


@pytest.fixture(scope="module")
def run():
    """`run("list", path, ...)` is Click's result of `odtk queue list --queue path ...`."""

    def run(verb, path, *words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # so that what the group sets is undone after the test
            patch.delenv("NO_COLOR", raising=False)
            return CliRunner().invoke(cli, ["queue", verb, "--queue", str(path), *words], prog_name="odtk")

    return run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.db"


def words(result):
    """What was printed, on one line."""
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("trian a b", "No such command 'trian'. Did you mean 'train'? A job is one of the commands of odtk."),
        ("python x.py", "No such command 'python'. A job is one of the commands of odtk."),
        ("odtk train a b --steps 5", "odtk train has no option --steps. Did you mean --num-steps?"),
        ("train a b --num-steps x", "'x' is not a valid integer"),
        ("train a", "Missing argument 'MODEL_DIR'"),
        ("train a b --priority 3", "odtk queue add and odtk queue move have it."),
        ("label-map", "Which command of odtk label-map is the job to run?"),
        ("label-map shwo x", "No such command 'shwo'"),
        ("--debug", "Which command of odtk is the job to run?"),
        ("queue wait", "cannot be a job"),
        ("train a b --max-time 8hours", "max_time is '8hours'; it is a time above 0, such as 11h30m"),
        ("run", "Give a PROJECT.yaml"),
        ("run --only train --from export x", "--only runs one stage, --from all from one on"),
        ("odtk", "Which command of odtk is the job to run?"),
    ],
)
def test_a_command_that_cannot_run_is_not_added(run, path, command, answer):
    result = run("add", path, "--", *command.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert answer in words(result)
    assert not path.exists()


@pytest.mark.parametrize(
    "command",
    [
        "odtk train a b --num-steps 5",
        "--debug train a b",
        "--version",
        "train --help",
        "predict not_yet_exported x --output o",
        "label-map show x",
        "run pets.yaml",
        "queue list",
    ],
)
def test_a_command_that_may_run_is_added(run, path, command):
    result = run("add", path, "--json", "--", *command.split())
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["command"] == command.removeprefix("odtk ").split()


def test_without_a_worker_list_says_so_with_the_command_to_start_one(run, path):
    assert run("list", path).exit_code == 1
    run("add", path, "--", "doctor")
    result = run("add", path, "--name", "pets", "--priority", "1", "doctor", "--json")
    assert result.stdout.splitlines()[0] == "Added job 2 (pets): waiting, no worker runs"
    lines = run("list", path).stdout.splitlines()
    assert [line.split()[:3] for line in lines if re.match(r" +\d", line)] == [
        ["2", "1", "waiting"],
        ["1", "5", "waiting"],
    ]
    assert "pets: doctor --json" in lines[3]
    assert lines[-1] == f"2 jobs wait, but no worker runs: odtk queue start --queue {path} --detach"


def test_the_environment_of_a_job_is_the_users(path, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setenv("MINE", "5")
    CliRunner().invoke(cli, ["queue", "add", "--queue", str(path), "doctor"], prog_name="odtk")
    (kept,) = sqlite3.connect(path).execute("SELECT environment FROM jobs").fetchone()
    assert json.loads(kept) == {**os.environ}
    assert "TF_CPP_MIN_LOG_LEVEL" not in kept


def test_who_waits_without_a_worker_is_told_the_command(run, path, monkeypatch):
    run("add", path, "doctor")

    def start_later(seconds):
        odtk.Queue(path).cancel(1)

    monkeypatch.setattr("odtk.queue.job_queue.time.sleep", start_later)
    result = run("wait", path)
    assert result.exit_code == 1
    assert f"warning: 1 job waits, but no worker runs: odtk queue start --queue {path} --detach\n" in result.stderr


def test_a_job_is_given_by_its_number_or_its_name_if_only_one_has_it(run, path):
    for name in ("a", "b", "b"):
        assert run("add", path, "--name", name, "doctor").exit_code == 0
    assert json.loads(run("add", path, "--after", "a", "--after", "2", "--json", "doctor").stdout)["after"] == [1, 2]
    assert "Job 1 (a): waiting, priority 9" in run("move", path, "a", "--priority", "9").stdout
    assert "The jobs 2, 3 are all called 'b'" in run("cancel", path, "b").stderr
    result = run("add", path, "--after", "c", "doctor")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: The queue has no job that is called 'c'. Give the number or the name of one that it lists. Option: "
        "--after.\n",
    )
    result = run("cancel", path, "1", "99")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: The queue has no job 99. List its jobs to see their numbers.\n",
    )
    assert odtk.Queue(path).job(1).state == "waiting"
    assert run("cancel", path, "2", "2").exit_code == 0
    said = run("cancel", path, "1", "2").stderr
    assert re.match(r"Job 1 \(a\): cancelled, at [\d:]+\nerror: Job 2 is cancelled and cannot be cancelled\.", said)
    assert "Option: --name." in run("add", path, "--name", "12", "doctor").stderr
    assert len(json.loads(run("list", path, "--json").stdout)["jobs"]) == 4


@pytest.mark.parametrize("verb", ["list", "show 1", "logs 1", "cancel 1", "clear", "stop", "wait", "retry 1"])
def test_a_misspelled_queue_is_not_made(run, path, verb):
    if verb == "list":
        path.touch()  # an empty file is none either
    result = run(*verb.split()[:1], path, *verb.split()[1:])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: There is no queue {path}.")
    assert result.stderr.endswith("Option: --queue.\n")
    assert not path.exists() or not path.stat().st_size


def test_the_queue_of_the_user_is_where_the_state_is(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    result = CliRunner().invoke(cli, ["queue", "list"], prog_name="odtk")
    assert result.stdout.startswith(f"Queue: {tmp_path}/state/odtk/queue.db\n")
    assert "odtk queue add -- odtk COMMAND" in result.stdout


@pytest.mark.parametrize(("priority", "code"), [("0", 2), ("11", 2), ("x", 2)])
def test_a_priority_that_is_none_is_refused(run, path, priority, code):
    assert run("add", path, "--priority", priority, "doctor").exit_code == code
    assert not path.exists()


@pytest.fixture(scope="module")
def worked(run, tmp_path_factory):
    """A queue whose jobs have run, and the result of `odtk queue start` that ran them."""
    path = tmp_path_factory.mktemp("worked") / "queue.db"
    run("add", path, "--name", "version", "--", "odtk", "--version")
    run("add", path, "--", "label-map", "show", "nothing.pbtxt")
    run("add", path, "--after", "2", "--", "doctor")
    run("add", path, "--priority", "1", "--", "queue", "list", "--queue", str(path))
    return path, run("start", path, "--until-empty")


def test_start_shows_what_runs_and_how_it_ended(worked):
    _, result = worked
    assert result.exit_code == 0
    assert result.stdout == "The worker has ended: 2 done, 1 failed, 1 skipped.\n"
    # Of the worker, and of each job that it runs and that it ends; not the worker's own lines on these.
    assert len(result.stderr.splitlines()) <= 1 + 2 * 3 + 1
    assert re.search(r"^Job 1 \(version\): done, took \d+:\d\d, at \d\d:\d\d:\d\d$", result.stderr, re.MULTILINE)
    assert re.search(r"^Job 2: failed, ended with exit code 1, took ", result.stderr, re.MULTILINE)
    assert re.search(r"^Job 3: skipped, job 2, which it waits for, failed, at ", result.stderr, re.MULTILINE)


def test_a_job_sees_its_worker_and_what_waits(run, worked):
    path, _ = worked
    text = run("logs", path, "4").stdout
    assert re.search(r"^Worker of all devices \(process \d+ on \S+, since [\d:]+\) runs job 4\.$", text, re.MULTILINE)
    assert re.search(r"^ +4 +1 +running +queue list", text, re.MULTILINE)
    assert re.search(r"^ +1 +5 +waiting +version: --version +job 4 runs$", text, re.MULTILINE)
    assert re.search(r"^ +3 +5 +waiting +doctor +waits for job 2$", text, re.MULTILINE)


def test_what_ended_is_listed_shown_and_can_be_read(run, worked):
    path, _ = worked
    assert re.search(r"^ +2 +5 +failed +label-map show nothing.pbtxt +ended with exit code 1", run("list", path).stdout,
                     re.MULTILINE)  # fmt: skip
    shown = run("show", path, "2").stdout
    assert shown.startswith("Job 2\n  state     failed, ended with exit code 1\n")
    assert f"  folder    {os.getcwd()}\n" in shown
    assert "error: nothing.pbtxt is neither a file nor a shipped label map." in shown.partition("Last lines")[2]
    assert run("logs", path, "version").stdout == VERSIONS
    assert run("logs", path, "version", "-f").stdout == VERSIONS
    assert run("logs", path, "3").stderr == "Job 3 has printed nothing so far.\n"


def test_wait_returns_the_worst_exit_code(run, worked):
    path, _ = worked
    assert (run("wait", path).exit_code, run("wait", path, "version").exit_code) == (1, 0)
    result = run("wait", path, "2", "version")
    assert (result.exit_code, result.stdout) == (1, "1 done, 1 failed: exit code 1\n")
    for number in ("77", "7" * 30):
        result = run("wait", path, number)
        assert (result.exit_code, result.stderr.startswith("error: The queue has no job ")) == (1, True)


def test_json_is_one_document(run, worked):
    path, _ = worked
    listed = json.loads(run("list", path, "--json").stdout)
    assert (listed["queue"], listed["workers"]) == (str(path), [])
    by_number = {job["number"]: job for job in listed["jobs"]}
    assert by_number[2]["exit_code"] == 1
    assert by_number[2]["log_path"] == str(path) + ".files/2.log"
    shown = json.loads(run("show", path, "2", "--json").stdout)
    assert shown.pop("last_lines")[-1].startswith("error: nothing.pbtxt")
    assert shown == by_number[2]
    assert json.loads(run("logs", path, "version", "--json").stdout)["text"] == VERSIONS
    waited = json.loads(run("wait", path, "--json").stdout)
    assert (waited["exit_code"], len(waited["jobs"])) == (1, 4)
    assert json.loads(run("stop", path, "--json").stdout) == {"stopped": []}
    assert run("logs", path, "1", "-f", "--json").exit_code == 2


@pytest.mark.parametrize(
    ("verb", "options"), [("cancel", []), ("move", ["--priority", "1"])], ids=["cancel", "move"]
)  # fmt: skip
def test_what_has_ended_is_neither_cancelled_nor_moved(run, worked, verb, options):
    path, _ = worked
    result = run(verb, path, "version", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: Job 1 is done and cannot be ")


def test_in_the_background_from_start_to_clear(run, path):
    run("add", path, "--", "--version")
    started = run("start", path, "--detach").stdout.splitlines()
    assert re.fullmatch(r"A worker of all devices runs in the background \(process \d+\)\.", started[0])
    assert started[1:] == [
        f"Its log: {path}.files/worker-all.log",
        f"To look: odtk queue list --queue {path}",
        f"To stop: odtk queue stop --queue {path}",
    ]
    waited = run("wait", path)
    assert (waited.exit_code, waited.stdout) == (0, "1 done: exit code 0\n")
    assert "no worker runs" not in run("list", path).stdout
    assert " runs no job, and ends." in run("stop", path).stdout
    assert run("stop", path, "--now").exit_code == 0  # returns when it has ended
    assert run("retry", path, "1").stdout.startswith("Job 1: waiting, priority 5")
    result = run("start", path, "--until-empty")
    assert "1 done" in result.stdout
    first, again = run("logs", path, "1").stdout.split("\n\n--- started again, ")
    assert first.strip() == VERSIONS.strip() == "\n".join(again.splitlines()[1:]).strip()
    assert run("clear", path).stdout == "Cleared 1 job.\n"
    assert "It is empty." in run("list", path).stdout
    assert not path.with_name("queue.db.files").joinpath("1.log").exists()


@pytest.fixture
def sleeping(path):
    """A queue with a worker in the background and a job that has printed a line and a half, and sleeps."""
    script = path.with_name("python")
    script.write_text("#!/bin/sh\nprintf 'begun\\ncaf\\303'\nexec sleep 60\n")
    script.chmod(0o755)
    queue = odtk.Queue(path)
    number = queue.put(odtk.Job(["doctor"], python=str(script)))
    queue.put(odtk.Job(["doctor"]))
    queue.start(detach=True, grace=5)
    log_path = queue.job(number).log_path
    until(lambda: log_path.exists() and b"caf" in log_path.read_bytes())
    yield path
    queue.stop(now=True)


@pytest.mark.usefixtures("signals_of_a_terminal")
def test_ctrl_c_ends_the_following_of_a_log_and_not_the_job(run, sleeping):
    following = subprocess.Popen(
        [sys.executable, "-m", "odtk", "queue", "logs", "1", "-f", "--queue", str(sleeping)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert following.stdout.readline() == "begun\n"
    following.send_signal(signal.SIGINT)
    rest, printed = following.stdout.read(), following.stderr.read()
    assert (following.wait(), rest) == (130, "caf")
    assert printed.strip() == f"Job 1 goes on. To end it: odtk queue cancel --queue {sleeping} 1"
    result = run("move", sleeping, "1", "--priority", "1")
    assert (result.exit_code, result.stderr.startswith("error: Job 1 is running and cannot be moved")) == (1, True)
    assert "running, is being cancelled" in run("cancel", sleeping, "1", "2").stdout
    assert run("wait", sleeping, "1").exit_code == 143


def test_progress_is_drawn_with_its_age_if_it_is_old(run, sleeping):
    job = odtk.Queue(sleeping).job(1)
    report = ProgressReport("Training", 40, 600, "steps", 3.1, 181.0, "loss 0.52")
    ProgressFile(job.progress_path).offer(lambda: report)
    line = "Training 40/600 steps, 3.1 steps/s, ETA 3:01, loss 0.52"
    assert f"running  doctor   {line}\n" in run("list", sleeping).stdout
    old = dataclasses.replace(report, time=time.time() - 3600)
    ProgressFile(job.progress_path).offer(lambda: old)
    assert queue_tables.progress_line(job) == f"{line} (1:00:00 ago)"
    assert queue_tables.progress_line(dataclasses.replace(job, state="done")) == line
    ProgressFile(job.progress_path).offer(lambda: report)
    document = json.loads(run("show", sleeping, "1", "--json").stdout)
    assert document["progress"] == dataclasses.asdict(report)
    said = []
    with queue_watch.watching(odtk.Queue(sleeping), said.append, [1]):
        pass
    assert said == [f"Job 1: {line}"]


@pytest.fixture
def jobs(run, tmp_path):
    """Jobs with long commands and names that would steer a terminal."""
    queue = odtk.Queue(tmp_path / "queue.db")
    queue.put(odtk.Job(["train", "a" * 200, "b"]), name="\x1b[2Jnight\nerror: no")
    queue.put(odtk.Job(["doctor"], after=[1]))
    return queue.jobs()


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_table_fits_its_terminal(jobs, columns):
    from rich.console import Console

    console = Console(width=columns, file=io.StringIO(), record=True)
    console.print(queue_tables.table(jobs, columns))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= columns
    assert "waits for job 1" in " ".join(lines[-2:]).replace("  ", "") or columns == 40
    assert lines[1].split()[:3] == ["1", "5", "waiting"]
    assert "\\x1b" in lines[1]


def test_a_name_cannot_feign_a_line(jobs, run, tmp_path):
    listed = run("list", tmp_path / "queue.db").stdout
    assert r"\x1b[2Jnight\nerror: no: train" in listed
    assert listed.count("\n") == 7


def test_of_many_that_ended_the_last_are_listed(jobs, capsys):
    ended = [dataclasses.replace(jobs[1], number=number, state="done", ended=float(-number)) for number in range(50)]
    queue_tables.print_jobs([jobs[0], *ended])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["1", *map(str, range(19, -1, -1))]
    assert lines[-1] == "and 30 more that ended earlier (--json has them all)"


@pytest.mark.parametrize(
    ("verb", "function", "others"),
    [
        ("start", odtk.Queue.start, {"detach"}),
        ("move", odtk.Queue.move, {"jobs"}),
        ("stop", odtk.Queue.stop, set()),
        ("add", odtk.Job, {"priority", "name"}),
        ("add", odtk.Queue.put, {"command", "device", "after", "attempts"}),
    ],
)
def test_options_are_the_keywords_of_python_with_their_defaults(verb, function, others):
    keywords = inspect.signature(function).parameters
    context = click.Context(group.commands[verb])
    ours = {each.name: each for each in group.commands[verb].params if each.name not in ("path", "as_json", *others)}
    assert set(ours) <= set(keywords)
    defaults = {name: keywords[name].default for name in ours}
    theirs = {name: each for name, each in defaults.items() if each not in (None, (), False, inspect.Parameter.empty)}
    assert theirs == {name: ours[name].get_default(context) for name in theirs}


PAGE = Path(__file__).parents[2] / "docs/queue.md"


def test_the_page_has_commands_that_exist():
    lines = re.findall(r"^    (odtk [^\n]+)|`(odtk queue [a-z][^`\[]*)`", PAGE.read_text("utf-8"), re.MULTILINE)
    commands = [command for line in lines for command in "".join(line).split(" && ")]
    assert len(commands) > 10
    for command in commands:
        words = shlex.split(command)
        # Commands that may not be jobs are parsed alike.
        verb = group.commands.get(words[2]) if words[:2] == ["odtk", "queue"] else None
        if verb is None:
            check_command(cli, words[1:])
        elif len(words) > 3 or verb.name in ("start", "stop", "list", "clear"):
            verb.make_context(verb.name, words[3:])
