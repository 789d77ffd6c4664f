"""ISE's two vocabularies: content words of the training posts, and clusters of picture vectors.

Both are counted on training documents alone and stand in buffers, so a checkpoint carries them: the
words as their letters and as pieces of the text encoder, the visual words as cluster centres.

Shapes: V words, S letters of a word, P pieces, M vectors, C their width, L labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder
from magpie.text.words import is_address

__all__ = [
    "FUNCTION_WORDS",
    "Vocabularies",
    "content_word",
    "k_means",
    "nearest_centre",
    "phrase_ids",
]

#: words that say how others relate and stand for nothing themselves
FUNCTION_WORDS = frozenset(
    """
    a about above after again against all also am an and another any are around as at be because
    been before behind being below beside between both but by can cannot could did do does doing
    done down during each either else ever every few for from further get gets got had has have
    having he her here hers herself him himself his how however i if in inside into is it its itself
    just let like may me might mine more most much must my myself near neither next no nor not now
    of off on once one only onto or other our ours ourselves out outside over own per same shall she
    should since so some such than that the their theirs them themselves then there these they this
    those through till to too toward towards under until up upon us very via was we were what when
    where whether which while who whom whose why will with within without would yet you your yours
    yourself yourselves amp rt http https
    """.split()  # noqa: SIM905 - a list of quoted words would be harder to read
)
#: letters of a word in UTF-8, longer ones are no words of the vocabulary
_LETTERS = 24
#: pieces of a word of the vocabulary, with the special ones
_PIECES = 8
#: differences of so many numbers at once while clustering
_AT_ONCE = 1 << 24


def content_word(word: str) -> str | None:
    """The word as it is counted, in lower case without # and @; None of function words, addresses
    and whatever is not two letters long."""
    plain = word.lstrip("#@").lower()
    if len(plain) < 2 or plain in FUNCTION_WORDS or is_address(word):
        return None
    return plain if any(letter.isalpha() for letter in plain) else None


def phrase_ids(text: TextEncoder, phrases: Sequence[str], length: int) -> Tensor:
    """Pieces of each phrase between the special ones, cut to ``length``, then -1: [M, length].

    An empty phrase has no pieces at all.
    """
    first, last = text.ends
    found = torch.full((len(phrases), length), -1)
    if not phrases:
        return found
    bodies = text.tokenizer(list(phrases), add_special_tokens=False)["input_ids"]
    for row, body in zip(found, cast(list[list[int]], bodies), strict=True):
        if body:
            ids = [first, *body[: length - 2], last]
            row[: len(ids)] = torch.tensor(ids)
    return found


def k_means(vectors: Tensor, count: int, *, seed: int = 0, rounds: int = 25) -> Tensor:
    """Centres of clusters by Lloyd's rounds, begun at vectors that lie apart.

    The first centres are drawn as Arthur and Vassilvitskii have it (k-means++, SODA 2007): each
    with the square of its distance to those before.

    Args:
        vectors: [M, C].
        count: of clusters; where there are no more vectors, those are the centres.
        seed: of the draw.
        rounds: at most so many; it ends when no vector changes its cluster.

    Returns:
        [min(M, count), C].
    """
    distinct = torch.unique(vectors.float(), dim=0)
    if len(distinct) <= count:
        return distinct
    generator = torch.Generator().manual_seed(seed)
    centres = _apart(distinct, count, generator)
    before = None
    for _ in range(rounds):
        nearest = nearest_centre(vectors, centres)
        if before is not None and torch.equal(nearest, before):
            break
        before = nearest
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors.float())
        sizes = torch.bincount(nearest, minlength=count).unsqueeze(1)
        # A cluster that lost all its vectors stays where it was.
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return centres


def _apart(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of the vectors [M, C], all different, drawn with squared distances."""
    chosen = [int(torch.randint(len(vectors), (), generator=generator))]
    distance = ((vectors - vectors[chosen[0]]) ** 2).sum(1)
    while len(chosen) < count:
        chosen.append(int(torch.multinomial(distance, 1, generator=generator)))
        distance = distance.minimum(((vectors - vectors[chosen[-1]]) ** 2).sum(1))
    return vectors[chosen]


def nearest_centre(vectors: Tensor, centres: Tensor) -> Tensor:
    """Number of the nearest centre [V, C] of every vector [M, C]: [M]."""
    part = max(1, _AT_ONCE // max(1, len(centres)))
    return torch.cat(
        [torch.cdist(rows, centres).argmin(1) for rows in vectors.float().split(part)]
        or [torch.zeros(0, dtype=torch.long)]
    )


class Vocabularies(nn.Module):
    """Both bags' words, empty until they are counted.

    Args:
        words: V of the text's bag.
        visual: V of the picture's bag.
        width: C of picture vectors; 0 where pictures are not read.
    """

    letters: Tensor
    pieces: Tensor
    centres: Tensor
    visual_count: Tensor
    counted: Tensor

    def __init__(self, words: int, visual: int, width: int) -> None:
        super().__init__()
        self.register_buffer("letters", torch.zeros(words, _LETTERS, dtype=torch.uint8))
        self.register_buffer("pieces", torch.full((words, _PIECES), -1))
        self.register_buffer("centres", torch.zeros(visual, width))
        self.register_buffer("visual_count", torch.tensor(0))
        self.register_buffer("counted", torch.tensor(False))
        self._numbers: dict[str, int] | None = None

    @property
    def known(self) -> list[str]:
        """The words, the most frequent first."""
        return [bytes(row[row > 0].tolist()).decode() for row in self.letters.cpu() if row.any()]

    @property
    def word_count(self) -> int:
        """How many words there are."""
        return int((self.pieces[:, 0] >= 0).sum())

    def number(self, word: str) -> int | None:
        """Place of a content word; None where it is not of the vocabulary."""
        if self._numbers is None:
            self._numbers = {known: place for place, known in enumerate(self.known)}
        return self._numbers.get(word)

    def _load_from_state_dict(self, *arguments: object) -> None:
        super()._load_from_state_dict(*arguments)
        self._numbers = None

    def count_words(self, posts: Iterable[Iterable[str]], text: TextEncoder) -> None:
        """Takes the most frequent content words of the posts; of equally frequent ones the first
        by alphabet."""
        counts = Counter(
            plain for post in posts for word in post if (plain := content_word(word)) is not None
        )
        fitting = [(w, n) for w, n in counts.items() if len(w.encode()) <= _LETTERS]
        chosen = [w for w, _ in sorted(fitting, key=lambda pair: (-pair[1], pair[0]))]
        chosen = chosen[: len(self.letters)]
        self.letters.zero_()
        for row, word in zip(self.letters, chosen, strict=False):
            row[: len(word.encode())] = torch.tensor(list(word.encode()), dtype=torch.uint8)
        self.pieces.fill_(-1)
        if chosen:
            self.pieces[: len(chosen)] = phrase_ids(text, chosen, _PIECES).to(self.pieces)
        self._numbers = None
        self.counted.fill_(True)

    def count_pictures(self, vectors: Tensor, seed: int = 0) -> None:
        """Takes cluster centres of the training boxes' vectors [M, C]."""
        centres = k_means(vectors.cpu(), len(self.centres), seed=seed)
        self.centres.zero_()
        self.centres[: len(centres)] = centres.to(self.centres)
        self.visual_count.fill_(len(centres))

    def bag(self, words: Iterable[str]) -> Tensor:
        """Places of a post's words, one for every time they stand there: int [n]."""
        plain = (content_word(word) for word in words)
        places = [self.number(word) for word in plain if word is not None]
        return torch.tensor([place for place in places if place is not None], dtype=torch.long)

    def word_counts(self, bag: Tensor) -> Tensor:
        """[B, n] places, -1 for none -> counts [B, V]."""
        counts = torch.zeros(len(bag), len(self.letters) + 1, device=bag.device)
        ones = torch.ones_like(bag, dtype=counts.dtype)
        places = torch.where(bag < 0, len(self.letters), bag)
        return counts.scatter_add(1, places, ones)[:, :-1]

    def visual_counts(self, vectors: Tensor, there: Tensor) -> Tensor:
        """How often each centre is the nearest: vectors [B, R, C], bool [B, R] -> [B, V]."""
        counts = torch.zeros(len(vectors), len(self.centres), device=vectors.device)
        known = int(self.visual_count)
        if known and bool(there.any()):
            nearest = nearest_centre(vectors.detach().flatten(0, 1), self.centres[:known])
            ones = functional.one_hot(nearest, len(self.centres)).unflatten(0, there.shape)
            counts = (ones * there.unsqueeze(2)).sum(1).to(counts.dtype)
        return counts
