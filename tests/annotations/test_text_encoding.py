import codecs

import pytest
from lxml import etree

from odtk.annotations import text_encoding

TEXT = '{"names": ["Kater", "猫", "Tür"]}\n' * 3


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le-marked"]
)
def test_unicode_is_read_with_a_mark_and_where_it_is_obvious(encoding):
    data = codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le") if encoding.endswith("marked") else TEXT.encode(encoding)
    assert text_encoding.decode(data) == TEXT
    assert TEXT.startswith(text_encoding.decode_start(data[:41]).rstrip("\ufffd"))


@pytest.mark.parametrize("data", [b"", b"a", b"\xff", "猫".encode(), b"\0" * 70, b"a\0\0b"])
def test_what_is_not_obvious_is_utf8(data):
    assert text_encoding.encoding_of(data) == ("utf-8", 0)


@pytest.mark.parametrize("declared", ["", "utf-8", "UTF-16", "unicode", "iso-8859-1"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_xml_may_lie_about_its_encoding(encoding, declared):
    declaration = f'<?xml version="1.0"\n encoding="{declared}"?>\n' if declared else ""
    content = "Kater" if (declared, encoding[:5]) == ("iso-8859-1", "utf-8") else "猫"
    written = f"{declaration}<a>\n<b>{content}</b></a>".encode(encoding)
    data, read_as = text_encoding.xml_for_lxml(written)
    root = etree.fromstring(data, etree.XMLParser(encoding=read_as))
    assert root.findtext("b") == content
    assert root.find("b").sourceline == (4 if declared else 2)


def test_an_xml_that_declares_another_encoding_is_read_in_that():
    written = '<?xml version="1.0" encoding="gbk"?><a>猫</a>'.encode("gbk")  # also UTF-8, of another letter
    data, read_as = text_encoding.xml_for_lxml(written)
    assert etree.fromstring(data, etree.XMLParser(encoding=read_as)).text == "猫"
