from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.generation.tries import Trie, Words

WORDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ab", "x"]), st.lists(st.integers(0, 2), max_size=3)),
    max_size=6,
)


def same(one, other) -> None:
    assert one.rest == other.rest
    assert set(one.ends) == set(other.ends)
    assert one.following.keys() == other.following.keys()
    for piece in one.following:
        same(one.following[piece], other.following[piece])


@given(WORDS, st.integers(1, 4), st.sets(st.sampled_from(["a", "b", "a b", "ab x"])))
def test_names_made_on_the_way_are_those_of_the_whole_trie(source, longest, used):
    words = [word for word, _ in source]
    pieces = [tuple(own) for _, own in source]

    def fits(name):
        return not name.startswith("x")

    entries = []
    for first in range(len(words)):
        for last in range(first, min(first + longest, len(words))):
            run = pieces[first : last + 1]
            name = " ".join(words[first : last + 1])
            if all(run) and fits(name) and name not in used:
                entries.append((sum(run, ()), name))
    same(Words(words, pieces, fits=fits, longest=longest).root(used), Trie.of(entries))


def test_the_nearest_end():
    trie = Trie.of([((1, 2, 3), "long"), ((1, 4), "short"), ((), "nothing")])
    assert trie.rest == 2
    assert trie.following[1].rest == 1
    assert trie.following[1].following[2].rest == 1
    assert trie.following[1].following[4].ends == ["short"]
