import pytest

from odtk.annotations import voc_xml
from odtk.annotations.annotated_image import UnusableImage

XML = """<?xml version="1.0"?>
<annotation>
  <filename>pug_3.jpg</filename>
  <size><width>50</width><height>40</height></size>
  <object>
    <name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>
    <bndbox>
      <xmin>1</xmin><ymin>2.5</ymin><xmax>30</xmax><ymax>20</ymax>
    </bndbox>
  </object>
  <object><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object>
</annotation>
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "pug_3.xml"
        path.write_text(text)
        return voc_xml.read(path)

    return read_text


def test_every_datum_has_its_line(read):
    annotation = read(XML)
    assert (annotation.filename, annotation.filename_line) == ("pug_3.jpg", 3)
    assert (annotation.width, annotation.height, annotation.size_line) == (50, 40, 4)
    assert annotation.objects == (
        voc_xml.VocObject("dog", (2.5, 1.0, 20.0, 30.0), 7, "Left", 1, True),
        voc_xml.VocObject("", (4.0, 3.0, 6.0, 5.0), 11, "Unspecified", 0, False),
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("</size>", "", r"pug_3\.xml:12: the xml is not well-formed"),
        (XML, "", r"pug_3\.xml.*not well-formed"),
        ("<filename>pug_3.jpg</filename>", "", r"pug_3\.xml:2: <annotation> has no <filename>"),
        ("pug_3.jpg", " ", r"pug_3\.xml:3: <filename> is empty"),
        ("<width>50</width>", "", r":4: <size> has no <width>"),
        (">50<", ">0<", r":4: <width> is 0; an image side is at least 1"),
        (">50<", ">wide<", r":4: <width> is 'wide', not a whole number"),
        ("<xmax>30</xmax>", "", r":7: <bndbox> has no <xmax>"),
        ("2.5", "two", r":8: <ymin> is 'two', not a number"),
        ("<truncated>1", "<truncated>yes", r":6: <truncated> is 'yes'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(read, old, new, complaint):
    with pytest.raises(UnusableImage, match=complaint) as caught:
        read(XML.replace(old, new))
    assert caught.value.problem.kind == "xml cannot be read"


def test_entities_are_not_expanded(read, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret.jpg")
    doctype = f'<!DOCTYPE annotation [<!ENTITY leak SYSTEM "file://{secret}"><!ENTITY a "pug">]>'
    for entity in ("&leak;", "&a;", "pug&a;_3.jpg"):
        text = XML.replace("<annotation>", f"{doctype}<annotation>", 1).replace("pug_3.jpg", entity)
        with pytest.raises(UnusableImage, match="it has the entity &"):
            read(text)


def test_comments_do_not_cut_texts(read):
    assert read(XML.replace("pug_3.jpg", "pug_<!-- three -->3.jpg")).filename == "pug_3.jpg"


def test_a_missing_file_is_no_xml(tmp_path):
    with pytest.raises(UnusableImage, match=r"absent\.xml: .*No such file") as caught:
        voc_xml.read(tmp_path / "absent.xml")
    assert caught.value.problem.kind == "no xml"
