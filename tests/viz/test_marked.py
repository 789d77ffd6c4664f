from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from magpie.viz.marked import snippet


def test_gold_prediction_and_both() -> None:
    text = snippet("Met Ada Byron in Porto", [(4, 13)], [(8, 16)])
    assert text == (
        '<p class="snippet" dir="auto">Met <mark class="gold">Ada </mark>'
        '<mark class="gold predicted">Byron</mark><mark class="predicted"> in</mark> Porto</p>'
    )


def test_everything_is_escaped() -> None:
    text = snippet("<b>&\u202e</b>", [(0, 3)], [])
    assert '<mark class="gold">&lt;b&gt;</mark>&amp;' in text
    assert "<b>" not in text


def test_far_away_text_is_left_out() -> None:
    text = snippet("a" * 500 + "Ada" + "b" * 1000 + "Rio" + "c" * 500, [(500, 503)], [(1503, 1506)])
    words = re.sub("<[^>]*>", "", text)
    assert words == f"…{'a' * 80}Ada{'b' * 80}…{'b' * 80}Rio{'c' * 80}…"


def test_places_outside_are_cut() -> None:
    assert "<mark" not in snippet("abc", [(3, 9)], [(7, 8)])
    assert '<mark class="gold">bc</mark>' in snippet("abc", [(1, 9)], [])
    assert snippet("", [], []) == '<p class="snippet" dir="auto"></p>'


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=4
)


@given(st.text(max_size=40).filter(lambda text: "…" not in text), SPANS, SPANS)
def test_the_text_stays_as_it_is(
    text: str, gold: list[tuple[int, int]], predicted: list[tuple[int, int]]
) -> None:
    markup = snippet(text, gold, predicted)
    assert unescape(re.sub("<[^>]*>", "", markup)) == unescape(text.replace("&", "&amp;"))
    for name, places in (("gold", gold), ("predicted", predicted)):
        pieces = re.findall(rf'<mark class="[^"]*{name}[^"]*">([^<]*)</mark>', markup)
        wanted = "".join(mark for n, mark in enumerate(text) if any(a <= n < b for a, b in places))
        assert unescape("".join(pieces)) == wanted
