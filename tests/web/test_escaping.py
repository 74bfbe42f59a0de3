"""Texts that come from data are text in the pages, and pages have no scripts or style inside."""

import re
from pathlib import Path

import pytest

import odtk.web
from odtk.queue import Job, Queue

TEMPLATES = sorted((Path(odtk.web.__file__).parent / "templates").rglob("*.html"))


def attributes_with_values(text):
    return re.findall(r"""\s([\w:-]+)=(?!["'])\{\{""", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_what_they_show(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe|autoescape|Markup", text)
    assert not attributes_with_values(text)  # without quotation marks a blank would begin another attribute
    assert not re.search(r"\s(on\w+|style)\s*=|javascript:|<style|hx-on|hx-vals=.?js:|\bjs:", text)
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        assert 'src="/static/' in attributes or 'type="application/json"' in attributes
        assert 'src="' in attributes or content.strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_forms_that_change_something_carry_the_csrf_token(path):
    text = path.read_text(encoding="utf-8")
    for form in re.findall(r"<form\b[^>]*method=.post[^>]*>.*?</form>", text, re.DOTALL | re.IGNORECASE):
        assert 'name="csrf"' in form or "csrf_field()" in form, form


def test_own_scripts_make_no_html_of_text():
    for path in (Path(odtk.web.__file__).parent / "static").glob("*.js"):
        if not path.name.startswith("htmx"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML\s*=", text), path
            assert not re.search(r"innerHTML\s*=", text), path


NAMES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; alert(1) //", "{{ 7*7 }}", "\x1b[31m"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_jobs_are_text(client, name):
    number = Queue(client.studio.workspace.queue_file).put(Job(["doctor", name]), name="look")
    for path in ("/", "/jobs", f"/jobs/{number}"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        shown = re.findall(r"<code>odtk doctor (.*?)</code>", text)
        assert shown
        assert "49" not in shown[0]


def test_the_log_of_a_job_is_text(client):
    queue = Queue(client.studio.workspace.queue_file)
    number = queue.put(Job(["doctor"]))
    queue.log_path(number).write_text("</pre><script>alert(1)</script>\r\ndata: x\n\nevent: end\n")
    assert "<script>alert" not in client.get(f"/jobs/{number}").text


def test_names_are_no_options_of_the_commands(client):
    workspace = client.studio.workspace
    (workspace.folder / "--output").mkdir()
    assert workspace.shown(workspace.inside("--output")) == "./--output"
    assert workspace.shown("--help/x") == "./--help/x"
