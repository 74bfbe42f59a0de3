"""The page of `odtk inspect`: whole in one file, honest about crafted names, and at home on any screen."""

import base64
import io
from dataclasses import replace

import headless_chromium
import numpy as np
import pytest
from lxml import html
from PIL import Image

from odtk.datasets.annotated_picture import AnnotatedPicture
from odtk.datasets.checks.coverage import Coverage
from odtk.datasets.model_inputs import ModelInput
from odtk.findings import Example, Finding
from odtk.report.charts import Histogram
from odtk.report.html import code
from odtk.tools.inspect.inspection import Counts, Inspection, Split
from odtk.tools.inspect.page import Pictures, render, write_page

CRAFTED = "<script>alert(1)</script>"
LONG = "folder/" * 30 + "n" * 300 + ".jpg"
NAMES = [
    CRAFTED,
    LONG,
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt;",
    "nul\0 bell\a lone\udc80 \ufffe",
    "犬 🐶",
    "]]>--></style>",
]


def shown(name, focus=None):
    boxes = [(0.1, 0.1, 0.5, 0.5), (0.2, 0.3, 0.201, 0.301), (np.nan, -1.0, np.inf, 2.0)]
    image = Image.new("RGB", (120, 90), (30, 90, 60))
    return AnnotatedPicture(
        name, "train", image, boxes, [1, 2, 40], [name] * 3, ["", "difficult", ""], focus, f"why {name}"
    )


def fed(name):
    image = Image.new("RGB", (64, 64), (123, 116, 103))
    return ModelInput(image, (64, 40), name, np.float32([[0, 0, 0.5, 0.5]]), np.int32([1]), ["weight 0.5"])


@pytest.fixture(scope="module")
def inspection():
    examples = tuple(Example(f"box {number}", name) for number, name in enumerate(NAMES))
    return Inspection(
        target=f"data/{CRAFTED}",
        kind="records",
        config=f"{CRAFTED}.config",
        label_map=None,
        verified=True,
        splits=[Split("train", 900, 4000, 12, 3, 897), Split("val", 100, 300), Split(CRAFTED, 2, 2)],
        classes={name: {"train": Counts(3, 40), CRAFTED: Counts(1, 2)} for name in NAMES},
        histograms=[
            Histogram("objects", "Objects per image", "objects", "images", (("0", 3), ("1", 40))),
            Histogram("nothing", "Nothing", "-", "boxes", ()),
        ],
        coverage=Coverage(
            config=CRAFTED,
            frame="64x64",
            similarity="iou",
            threshold=0.5,
            force_match=True,
            sizes=("under 8", "8 to 16", "16 to 32", "over 32"),
            classes={name: [(3, 4)] * 4 for name in NAMES},
            boxes=96,
            unmatched=72,
            forced=70,
            lost=2,
        ),
        findings=[
            Finding("error", "broken", kind="broken", fix=f"fix {CRAFTED}", count=100, examples=examples),
            Finding(
                "warning",
                "few",
                kind="few",
                fix="add",
                count=1,
                examples=(Example("one", "a.xml", 3),),
            ),
            Finding("note", f"note of {CRAFTED}", kind="note", fix=""),
        ],
        not_looked_at=["Pixels were not looked at."],
    )


@pytest.fixture(scope="module")
def pictures():
    return Pictures(
        duplicates=[[shown(name), shown(name)] for name in NAMES],
        suspicious=[shown(name, focus) for name in NAMES for focus in ([0], [1], [2], [0, 1], None)],
        unreadable=[Example(f"broken {name}", name, offset=12) for name in NAMES],
        groundtruth=[shown(name) for name in NAMES],
        fed=[fed(name) for name in NAMES],
        name_of=lambda class_id: CRAFTED,
    )


@pytest.fixture(scope="module")
def tree(inspection, pictures):
    return html.document_fromstring(render(inspection, pictures).decode())


def test_nothing_is_loaded_and_nothing_runs(tree):
    assert not tree.xpath("//script | //iframe | //link | //object | //base | //*[@*[starts-with(name(), 'on')]]")
    sources = tree.xpath("//@src")
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(link.startswith("#") for link in tree.xpath("//@href"))
    assert "url(" not in tree.findtext(".//style")
    assert "@import" not in tree.findtext(".//style")


def test_the_page_forbids_itself_what_it_does_not_need(tree):
    (policy,) = tree.xpath("//head/meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"  # scripts, frames, connections, fonts
    assert rules["img-src"] == "data:"
    assert "http" not in policy
    # What stands before it would not be bound by it; the encoding has to come first.
    assert [each.tag for each in tree.find("head")[:2]] == ["meta", "meta"]
    assert tree.find("head")[1].get("http-equiv") == "Content-Security-Policy"


def test_names_are_text_wherever_they_stand(tree):
    texts = " ".join(tree.body.itertext())
    for name in (
        CRAFTED,
        LONG,
        '"><img src=x onerror=alert(1)>',
        "&lt;b&gt;",
        "nul\ufffd bell\ufffd lone\ufffd",
        "]]>--></style>",
    ):
        assert texts.count(name) >= 6
        assert any(name in alt for alt in tree.xpath("//img/@alt"))


def test_every_finding_is_there_with_its_fix_and_examples(tree):
    items = tree.xpath("//section[@id='findings']/ul/li")
    assert [item.findtext("p/span") for item in items] == ["Error", "Warning", "Note"]
    said = " ".join(" ".join(items[0].itertext()).split())
    assert f"broken Fix: fix {CRAFTED}" in said
    assert len(items[0].xpath(".//li")) == len(NAMES)
    assert f"and {100 - len(NAMES)} more" in said
    assert "a.xml:3: one" in items[1].text_content()
    assert "1 error, 1 warning, 1 note" in " ".join(tree.xpath("//header")[0].text_content().split())


def test_every_picture_decodes_to_the_size_it_states(tree):
    for image in tree.iter("img"):
        with Image.open(io.BytesIO(base64.b64decode(image.get("src").partition(",")[2]))) as picture:
            picture.load()
            assert picture.size == (int(image.get("width")), int(image.get("height")))


def test_the_contents_lead_to_every_part_and_tables_have_headings(tree):
    assert [link[1:] for link in tree.xpath("//nav//@href")] == tree.xpath("//main/section/@id")
    for table in tree.iter("table"):
        assert table.xpath("./thead/tr/th[@scope='col']")
        assert all(row[0].tag == "th" for row in table.xpath("./tbody/tr"))
        assert table.getparent().get("aria-label")


def test_the_table_of_anchors_says_what_share_is_lost(tree):
    cells = tree.xpath("//section[@id='anchors']//tbody/tr[1]/td")
    assert [cell.text for cell in cells] == ["3 of 4"] * 4 + ["12 of 16"]
    assert cells[0].get("style") == "--share: 0.750"


@pytest.mark.parametrize(
    ("unmatched", "forced", "lost", "force_match", "said"),
    [
        (0, 0, 0, True, "4,886 of 4,886 boxes are matched by an anchor at the config's threshold."),
        (9, 7, 2, True, "4,877 of 4,886 boxes are matched by an anchor at the config's threshold; of the others 7 are "
         "matched to their best anchor anyway (forced) and 2 are not matched at all."),
        (9, 0, 0, False, "4,877 of 4,886 boxes are matched by an anchor at the config's threshold; of the others 9 are "
         "not matched at all."),
    ],
)  # fmt: skip
def test_how_many_boxes_have_an_anchor_is_said_the_right_way_round(
    inspection, unmatched, forced, lost, force_match, said
):
    counts = {"boxes": 4886, "unmatched": unmatched, "forced": forced, "lost": lost, "force_match": force_match}
    page = render(replace(inspection, coverage=replace(inspection.coverage, **counts)), Pictures())
    assert html.document_fromstring(page.decode()).findtext(".//section[@id='anchors']/p") == said


def test_a_long_name_breaks_between_its_parts():
    pieces = ["data/", "train_", "images/", "yorkshire_", "terrier_", "10", ".jpg:12: 0.5 of it."]
    name = code("".join(pieces))
    assert [name.text, *(part.tail for part in name)] == pieces


def test_padding_is_told_from_the_image(tree):
    captions = tree.xpath("//section[@id='fed']//figcaption")
    assert "64 × 64 pixels, 1 box; image 40 × 64, the rest is padding" in captions[0].text_content()


def test_what_was_counted_and_what_was_not_is_said(tree):
    header = " ".join(tree.xpath("//header")[0].itertext())
    assert "1,002" in header
    assert "Pixels were not looked at." in header
    cells = tree.xpath("//section[@id='splits']//tbody/tr[1]/*")
    assert [cell.text for cell in cells[:5]] == ["train", "900", "12", "3", "4,000"]


def test_an_empty_data_set_makes_a_page_too():
    tree = html.document_fromstring(render(Inspection("nothing", "records", None, None, False), Pictures()))
    assert tree.xpath("//main/section") == []
    assert "No problems found" in tree.text_content()


def test_many_pictures_stay_a_few_megabytes(inspection):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, [1500, 2000, 3], np.uint8))
    one = replace(shown("noise"), image=noise)  # noise is the worst that a JPEG can meet
    assert len(render(inspection, Pictures(groundtruth=[one] * 24))) < 6e6


needs_chromium = pytest.mark.skipif(not headless_chromium.PROGRAM, reason="no chromium on PATH")


@needs_chromium
def test_no_screen_is_too_narrow_and_the_browser_has_nothing_to_say(inspection, pictures, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, inspection, pictures)
    with headless_chromium.browser() as browser:
        for width, scheme in ((400, "light"), (1280, "dark")):
            browser.open(path.as_uri(), width, scheme)
            shown_width, page_width = browser.evaluate("[innerWidth, document.documentElement.scrollWidth]")
            assert shown_width == width
            assert page_width <= width
            assert browser.complaints() == []
            assert [url for url in browser.requests() if not url.startswith("data:")] == [path.as_uri()]
            assert browser.evaluate("document.title").startswith("odtk inspect")


@needs_chromium
def test_three_splits_fit_a_small_laptop(inspection, tmp_path):
    splits = [Split(name, 118287, 860001) for name in ("train", "val", "test")]
    counts = {split.name: Counts(118287, 860001) for split in splits}
    path = tmp_path / "page.html"
    write_page(path, replace(inspection, splits=splits, classes={"cat": counts}, coverage=None), Pictures())
    with headless_chromium.browser() as browser:
        browser.open(path.as_uri(), 1100)
        overflow = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
        assert browser.evaluate(overflow) == 0
