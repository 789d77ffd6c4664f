"""The dataset card of M2E2."""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard

__all__ = ["CARD", "COREF", "PICTURES", "SENTENCES"]


def _file(name: str, digest: str) -> DataFile:
    return DataFile("m2e2/m2e2_annotations.zip", digest, member=f"m2e2_annotations/{name}")


#: sentences without and with an event that a picture shows too
SENTENCES = (
    _file(
        "text_only_event.json", "5afae99f095246b8ce610dcfdac4045ec8ca3a51a58a08e2d24cc0cb98444243"
    ),
    _file(
        "text_multimedia_event.json",
        "698820b3323c2d7bc975d3af3bfc5449a7b1e3ac11bdbeda21dd25c2ed2372dc",
    ),
)

#: pictures without and with an event that a sentence tells too
PICTURES = (
    _file(
        "image_only_event.json", "bddb522c76a0130ac69a8ee227a02974bccb111830b3c42cf318e00b892d0e5e"
    ),
    _file(
        "image_multimedia_event.json",
        "23cf1080bb51158ef7a56a1768cc60e2f7acf0264171744560264da99d6d46a4",
    ),
)

#: which sentence and which picture tell of one event
COREF = _file(
    "crossmedia_coref.txt", "423dcae24d165f402d8a1370678a09819c4361cffddb4fcee6c023aa96b85ed4"
)

_TYPES = ("GPE", "PER", "ORG", "LOC", "FAC", "VEH", "WEA", "VALUE")

_EVENTS: dict[str, tuple[str, ...]] = {
    "Conflict:Attack": ("Attacker", "Target", "Instrument", "Place"),
    "Conflict:Demonstrate": ("Entity", "Police", "Instrument", "Place"),
    "Contact:Meet": ("Entity", "Place"),
    "Contact:Phone-Write": ("Entity", "Instrument", "Place"),
    "Justice:Arrest-Jail": ("Agent", "Person", "Instrument", "Place"),
    "Life:Die": ("Agent", "Victim", "Instrument", "Place"),
    "Movement:Transport": ("Agent", "Artifact", "Vehicle", "Origin", "Destination"),
    "Transaction:Transfer-Money": ("Giver", "Recipient", "Money"),
}


def _counts(
    documents: int,
    types: tuple[int, ...],
    events: tuple[int, ...],
    *,
    words: int,
    blocks: int,
    pictures: int,
    arguments: int,
    regions: int = 0,
) -> Counts:
    """``types`` and ``events`` in the order of the two tables above."""
    per_type = dict(zip(_TYPES, types, strict=True))
    return Counts(
        documents=documents,
        words=words,
        entities=sum(types),
        entities_lenient=sum(types),
        types=per_type,
        types_lenient=per_type,
        blocks=blocks,
        pictures=pictures,
        regions=regions,
        events=sum(events),
        event_types=dict(zip(_EVENTS, events, strict=True)),
        arguments=arguments,
    )


CARD = Card(
    name="m2e2",
    version="1",
    title="M2E2",
    task="events in news text, in news pictures, and across both; test data only",
    licence="none stated; news text and pictures of Voice of America",
    origin="limanling/m2e2 @ 5d44972",
    citation="Li et al., Cross-media Structured Common Space for Multimedia Event Extraction, "
    "ACL 2020",
    types=_TYPES,
    coarse={
        "GPE": "LOC",
        "PER": "PER",
        "ORG": "ORG",
        "LOC": "LOC",
        "FAC": "LOC",
        "VEH": "OTHER",
        "WEA": "OTHER",
        "VALUE": "OTHER",
    },
    event_types=_EVENTS,
    images=("images/m2e2",),
    splits={
        "text": SplitCard(
            SENTENCES[0],
            _counts(
                6167,
                (7632, 7289, 4755, 1380, 758, 311, 295, 34),
                (326, 136, 141, 49, 156, 210, 246, 33),
                words=174798,
                blocks=6167,
                pictures=930,
                arguments=1966,
            ),
            more=(SENTENCES[1],),
        ),
        "image": SplitCard(
            PICTURES[0],
            _counts(
                391,
                (0,) * 8,
                (26, 69, 79, 37, 56, 64, 54, 6),
                words=0,
                blocks=0,
                pictures=391,
                arguments=1429,
                regions=1429,
            ),
            more=(PICTURES[1],),
        ),
        "multimedia": SplitCard(
            COREF,
            _counts(
                120,
                (4581, 4374, 2850, 848, 463, 129, 174, 20),
                (41, 84, 42, 8, 41, 68, 24, 1),
                words=104748,
                blocks=3616,
                pictures=531,
                arguments=1460,
                regions=741,
            ),
            {"type-mismatch": 2},
            more=(*SENTENCES, PICTURES[1]),
        ),
    },
    defects=(
        (
            "38 sentences stand in both text files with different events; they are one document "
            "with the events of both (6013 + 192 records, 6167 sentences)"
        ),
        (
            "the paper speaks of 245 articles and 1014 pictures; the files name 234 articles and, "
            "beside their sentences, 930 pictures, none of which is in the archive"
        ),
        "10 of the 391 pictures with an event belong to 5 articles without a sentence",
        (
            "2 of the 309 pairs (Conflict:Demonstrate) have a picture that its own record calls "
            "Justice:Arrest-Jail; the pair's type counts"
        ),
        "65 sentences of the text-only file have two events of one type",
        (
            "538 + 27 entities and 30 + 4 arguments quote the text without the spaces between "
            "its words"
        ),
        "boxes carry a noun number, 0 on 111 of them and 1 on 1318, which nothing explains",
    ),
)
