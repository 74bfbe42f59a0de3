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
    ],
)
def test_what_is_wrong_is_said_with_its_line(read, old, new, complaint):
    with pytest.raises(UnusableImage, match=complaint) as caught:
        read(XML.replace(old, new))
    assert caught.value.problem.kind == "xml cannot be read"


@pytest.mark.parametrize(
    ("written", "value", "kind"),
    [
        ("", 0, None),
        ("1", 1, None),
        ("1.0", 1, None),
        ("0.0", 0, None),
        ("True", 1, None),
        ("yes", 1, None),
        ("no", 0, None),
        ("Unspecified", 0, "flag not understood"),
        ("-1", 0, "flag not understood"),
        ("nan", 0, "flag not understood"),
        ("99999999999999999999", 0, "flag not understood"),
        ("0.06", 1, "flag that is a fraction"),
    ],
)
def test_a_flag_never_costs_the_image(read, written, value, kind):
    annotation = read(XML.replace("<truncated>1", f"<truncated>{written}"))
    assert (annotation.objects[0].truncated, len(annotation.objects)) == (value, 2)
    assert [(problem.kind, problem.line) for problem in annotation.problems] == [(kind, 6)] * (kind is not None)


def test_a_flag_that_a_tool_writes_into_every_object_is_said_once(read):
    text = XML.replace("<truncated>1", "<truncated>Unspecified")
    text = text.replace("<object><bndbox>", "<object><truncated>Unspecified</truncated><bndbox>")
    (problem,) = read(text).problems
    assert str(problem).endswith("pug_3.xml:6: <truncated> is 'Unspecified', neither 0 nor 1: read as 0.")


BNDBOX = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"


@pytest.mark.parametrize(
    ("shape", "kind", "box"),
    [
        ("<robndbox><cx>10</cx><cy>20</cy><w>8</w><h>4</h><angle>0</angle></robndbox>",
         "rotated box made upright", (18, 6, 22, 14)),
        ("<robndbox><cx>10</cx><cy>20</cy><w>8</w><h>4</h><angle>1.5707963267948966</angle></robndbox>",
         "rotated box made upright", (16, 8, 24, 12)),
        ("<bndbox/><robndbox><cx>10</cx><cy>20</cy><w>2</w><h>2</h><angle>-0.7853981633974483</angle></robndbox>",
         "rotated box made upright", (20 - 2**0.5, 10 - 2**0.5, 20 + 2**0.5, 10 + 2**0.5)),
        ("<robndbox><x_left_top>1</x_left_top><y_left_top>5</y_left_top><x_right_top>4</x_right_top>"
         "<y_right_top>2</y_right_top><x_right_bottom>6</x_right_bottom><y_right_bottom>9</y_right_bottom></robndbox>",
         "rotated box made upright", (2, 1, 9, 6)),
        ("<polygon><x1>1</x1><y1>5</y1><x2>4</x2><y2>2</y2><x3>6</x3><y3>9</y3></polygon>",
         "outline made a box", (2, 1, 9, 6)),
        ("<polygon><username>two words</username><pt><x>1</x><y>5</y></pt><pt><x>4</x><y>2</y></pt>"
         "<pt><x>6</x><y>9</y></pt></polygon>", "outline made a box", (2, 1, 9, 6)),
        ("<points><point>1,5</point><point>4.0, 2.0</point><point>6,9</point></points>",
         "outline made a box", (2, 1, 9, 6)),
        ("<polygon>1,5; 4,2; 6,9</polygon>", "outline made a box", (2, 1, 9, 6)),
    ],
)  # fmt: skip
def test_of_rotated_boxes_and_outlines_the_upright_box_is_read(read, shape, kind, box):
    annotation = read(XML.replace(BNDBOX, shape))
    assert annotation.objects[1].box == pytest.approx(box)
    assert [(problem.kind, problem.line) for problem in annotation.problems] == [(kind, 11)]
    beside = read(XML.replace(BNDBOX, BNDBOX + shape.replace("<bndbox/>", "")))
    assert (beside.objects[1].box, beside.problems) == ((4.0, 3.0, 6.0, 5.0), ())


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ("", r":11: the <object> has neither a <bndbox> nor a rotated box or polygon"),
        ("<robndbox><cx>1</cx><cy>1</cy><w>8</w><h>4</h><angle>45</angle></robndbox>",
         r"<angle> is 45; radians are expected"),
        ("<robndbox><cx>1</cx><cy>1</cy><w>8</w><h>4</h></robndbox>", "<robndbox> has no <angle>"),
        ("<polygon><x1>1</x1><y1>5</y1><x2>4</x2></polygon>", r"<polygon> has 2 x and 1 y; three or more points"),
        ("<polygon><x1>left</x1></polygon>", "<x1> is 'left', not coordinates"),
        ("<polygon>1,2,3,up</polygon>", "<polygon> is '1,2,3,up', not coordinates"),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_be_read_costs_the_image(read, shape, complaint):
    with pytest.raises(UnusableImage, match=complaint):
        read(XML.replace(BNDBOX, shape))


def test_an_object_that_labelme_calls_deleted_is_none(read):
    assert len(read(XML.replace("<object><bndbox>", "<object><deleted>1</deleted><bndbox>")).objects) == 1


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
