from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.voc import MAX_XML_BYTES, parse_voc
from magpie.errors import FormatError


def object_(name: str, *corners: object) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>" + (f"<bndbox>{box}</bndbox>" if box else "") + "</object>"


def annotation(*objects: str, size: tuple[object, object] = (200, 100)) -> bytes:
    width, height = size
    return (
        f"<annotation><path>C:\\图\\a.jpg</path><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    ).encode()


def test_names_boxes_size_and_lines() -> None:
    data = annotation(object_(" Ada Byron\n", 1, 2, 30, 40), "\n", object_("Turin", 5, 5, 9, 9.5))
    file = parse_voc(data, where="a.xml")
    assert file.size == (200, 100)
    assert [(o.name, o.box, o.line) for o in file.objects] == [
        ("Ada Byron", (1.0, 2.0, 30.0, 40.0), 1),
        ("Turin", (5.0, 5.0, 9.0, 9.5), 3),
    ]


def test_several_boxes_of_one_name_stay_apart() -> None:
    file = parse_voc(annotation(object_("A", 1, 1, 2, 2), object_("A", 1, 1, 2, 2)), where="a")
    assert [o.box for o in file.objects] == [(1, 1, 2, 2), (1, 1, 2, 2)]


@pytest.mark.parametrize(
    ("corners", "problem"),
    [
        ((), "no bndbox"),
        ((1, 2, 3), "no four numbers"),
        ((1, 2, "x", 4), "no four numbers"),
        ((5, 2, 5, 4), "no finite area"),
        ((5, 2, 1, 4), "no finite area"),
        ((1, 2, "nan", 4), "no finite area"),
        ((1, 2, "inf", 4), "no finite area"),
    ],
)
def test_object_without_a_usable_box_does_not_take_the_one_before(
    corners: tuple[object, ...], problem: str
) -> None:
    file = parse_voc(annotation(object_("A", 1, 1, 2, 2), object_("B", *corners)), where="a")
    assert file.objects[0].box == (1, 1, 2, 2)
    assert file.objects[1].box is None
    assert problem in file.objects[1].problem


@pytest.mark.parametrize("size", [(0, 0), (0, 5), ("", 5), ("-3", 5), ("1e3", 5), ("9" * 20, 5)])
def test_impossible_sizes_count_as_unknown(size: tuple[object, object]) -> None:
    assert parse_voc(annotation(size=size), where="a").size is None


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE annotation [
 <!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
]>
<annotation><object><name>&c;</name></object></annotation>"""

OUTSIDE = b"""<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<annotation><object><name>&x;</name></object></annotation>"""


@pytest.mark.parametrize("data", [BOMB, OUTSIDE, b"<!DOCTYPE annotation><annotation/>"])
def test_document_types_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="document type") as caught:
        parse_voc(data, where="a.xml")
    assert caught.value.code == "format-xml"
    assert caught.value.where.startswith("a.xml:")
    assert caught.value.mend


def test_another_declared_encoding_cannot_hide_a_document_type() -> None:
    hidden = OUTSIDE.decode().encode("utf-16")
    with pytest.raises(FormatError):
        parse_voc(hidden, where="a.xml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not well-formed"),
        (annotation(object_("A", 1, 1, 2, 2))[:-30], "not well-formed"),
        (b"<html></html>", "expected <annotation>"),
        (b"<annotation>" + b"<a>" * 40 + b"</a>" * 40 + b"</annotation>", "nested too deeply"),
        (b"<annotation><name>\xff</name></annotation>", "not well-formed"),
        (b"<annotation>&nobody;</annotation>", "not well-formed"),
    ],
)
def test_broken_files_say_where(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        parse_voc(data, where="a.xml")
    assert caught.value.code == "format-xml"
    assert caught.value.where.startswith("a.xml:")


def test_large_file_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(FormatError) as caught:
        parse_voc(b"<" * (MAX_XML_BYTES + 1), where="a.xml")
    assert caught.value.code == "format-too-long"


corner = st.integers(1, 50)


@given(st.lists(st.tuples(corner, corner, corner, corner), max_size=5))
def test_written_boxes_are_read_back(boxes: list[tuple[int, int, int, int]]) -> None:
    ordered = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    file = parse_voc(annotation(*(object_("n", *box) for box in ordered)), where="a")
    assert [o.box for o in file.objects] == ordered


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        file = parse_voc(data, where="a")
    except FormatError as error:
        where = error.where
    else:
        assert file.objects == []
        return
    assert where.startswith("a:")
