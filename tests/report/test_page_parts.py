"""What every page is made of: the frame with its policy and navigation, and text in which commands are marked."""

from lxml import html as lxml_html

from odtk.findings import ERROR, NOTE, Example, Finding
from odtk.report import page
from odtk.report.finding_list import finding_list, numbered_list, verdict
from odtk.report.html import element, prose, section, themed_picture


def test_the_frame_links_to_its_sections_and_loads_nothing():
    sections = [section("first", "First one"), None, section("second", "Second <b>")]
    written = page.render("title", "odtk x", "<script>", ["said", None], sections)
    assert written.startswith(b"<!doctype html>")
    tree = lxml_html.document_fromstring(written)
    assert [(link.get("href"), link.text) for link in tree.iter("a")] == [
        ("#first", "First one"),
        ("#second", "Second <b>"),
    ]
    assert [part.get("id") for part in tree.xpath("//main/section")] == ["first", "second"]
    assert "default-src 'none'" in tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert (tree.findtext(".//h1"), list(tree.iter("script", "link"))) == ("<script>", [])


def test_commands_between_backticks_become_code():
    made = element("p", *prose("Run `odtk view <x>` first, a ` alone stays."))
    assert [each.text for each in made] == ["odtk view <x>"]
    assert "".join(made.itertext()) == "Run odtk view <x> first, a ` alone stays."
    assert prose("") == []


def test_findings_are_counted_and_long_lists_fold():
    examples = tuple(Example(f"case {number}", "a.xml", number) for number in range(9))
    findings = [Finding(ERROR, "broken.", fix="Fix it.", count=12, examples=examples), Finding(NOTE, "so it is.")]
    assert "".join(verdict(findings).itertext()) == "1 error, 1 note."
    assert "".join(verdict([]).itertext()) == "No problems found."
    first, second = finding_list(findings)
    assert (first.get("class"), second.get("class")) == ("tone-error", "tone-note")
    assert len(first.findall("ul/li")) == 3
    assert len(first.findall("details/ul/li")) == 6
    assert "and 3 more, not named here" in "".join(first.itertext())


def test_numbered_findings_fold_all_their_examples():
    example = Example("a case", "a.xml", 1)
    made = numbered_list([Finding(ERROR, "broken.", examples=(example, example)), Finding(NOTE, "so it is.")])
    assert [item.find("p/span").text for item in made] == ["1.", "2."]
    assert made[0].find("ul") is None
    assert made[0].findtext("details/summary") == "2 examples"
    assert len(made[0].findall("details/ul/li")) == 2
    assert made[1].find("details") is None


def test_a_themed_picture_has_one_for_each_color_scheme():
    made = themed_picture("data:light", "data:dark", (60, 40), "a curve", "Caption")
    source, image = made.find("picture")
    assert (source.get("srcset"), source.get("media")) == ("data:dark", "(prefers-color-scheme: dark)")
    assert (image.get("src"), image.get("width"), image.get("alt")) == ("data:light", "60", "a curve")
    assert made.findtext("figcaption") == "Caption"
