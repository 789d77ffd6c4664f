"""How often the region is right: the tables of docs/grounding.md.

EEG on gold entities: a pair counts when both sides say "not in the picture", or when the one
predicted box overlaps one of the gold boxes with an IoU strictly above 0.5. Spans are given, so
precision, recall and F1 are one number, the share of correct pairs.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from magpie.engine.grounding.coefficients import Coefficients, load_coefficients
from magpie.engine.grounding.features import Mention, describe, mentions_of, read_caption
from magpie.engine.grounding.geometry import Corners, area, intersection_over_union
from magpie.engine.grounding.local import LocalGrounder
from magpie.engine.grounding.matcher import PictureEvidence, link_mentions
from magpie.engine.grounding.people import FaceFinder, PersonFinder
from magpie.training.grounding.crops import crops
from magpie.training.grounding.data import (
    Case,
    cases,
    coco_pictures,
    documents,
    itm_targets,
    published_captions,
    tweet_pictures,
)
from magpie.training.grounding.end_to_end import end_to_end
from magpie.training.grounding.fit import is_face
from magpie.training.grounding.share import share
from magpie.vision import load_image

__all__ = ["evaluate", "tables"]

Predict = Callable[[Case], Corners | None]

_SEED = 13


def correct(box: Corners | None, gold: Sequence[Corners]) -> bool:
    """The region half of an EEG match."""
    if box is None or not gold:
        return box is None and not gold
    return max(intersection_over_union(box, other) for other in gold) > 0.5


def whole(case: Case) -> Corners | None:
    """Baseline: the whole picture for every person."""
    if case.mention.type != "PER":
        return None
    # The size is unknown only where no entity has a box, and there any box is wrong.
    width, height = case.size or (1, 1)
    return (0.0, 0.0, float(width), float(height))


def _usual(case: Case, coefficients: Coefficients) -> Corners:
    width, height = case.size or (1, 1)
    x1, y1, x2, y2 = coefficients.usual_place[case.mention.type]
    return (x1 * width, y1 * height, x2 * width, y2 * height)


def blind(coefficients: Coefficients, *, caption: bool, fine: bool) -> Predict:
    """The matcher without a picture: type, neighbours and perhaps a published caption."""

    def predict(case: Case) -> Corners | None:
        mention = case.mention
        if not fine:
            mention = dataclasses.replace(mention, fine_type=None)
        scene = read_caption(case.captions, mention.text) if caption else coefficients.prior
        features = describe(mention, scene)
        visible = coefficients.probability(coefficients.visible, features)
        held = coefficients.probability(coefficients.usual, features)
        return _usual(case, coefficients) if visible * held > 1.0 - visible else None

    return predict


def at_random(coefficients: Coefficients, rates: dict[str, float]) -> Predict:
    """Baseline: shows or not by the type's rate in training, then the type's usual place."""
    source = random.Random(_SEED)

    def predict(case: Case) -> Corners | None:
        shows = source.random() < rates[case.mention.type]
        return _usual(case, coefficients) if shows else None

    return predict


def _table(found: Sequence[Case], methods: dict[str, Predict]) -> dict[str, Any]:
    return {
        name: share(sum(correct(predict(case), case.boxes) for case in found), len(found))
        for name, predict in methods.items()
    }


def unseen(data: Path, coefficients: Coefficients) -> dict[str, Any]:
    """Dev and test of FMNERG without looking at any picture."""
    captions = published_captions(data)
    train = cases(data, "train", captions)
    rates = {}
    for kind in coefficients.usual_place:
        shows = [bool(case.boxes) for case in train if case.mention.type == kind]
        rates[kind] = sum(shows) / len(shows)
    result: dict[str, Any] = {}
    for split in ("dev", "test"):
        found = cases(data, split, captions)
        result[split] = _table(
            found,
            {
                "all absent": lambda _: None,
                "at random by type": at_random(coefficients, rates),
                "whole picture for PER": whole,
                "matcher: types": blind(coefficients, caption=False, fine=False),
                "matcher: fine types": blind(coefficients, caption=False, fine=True),
                "matcher: types, caption": blind(coefficients, caption=True, fine=False),
                "matcher: fine types, caption": blind(coefficients, caption=True, fine=True),
            },
        )
    return result


def seen(data: Path) -> dict[str, Any]:
    """Every tweet of FMNERG whose picture lies here, by split and for each setting."""
    captions = published_captions(data)
    pictures = tweet_pictures(data)
    grounder = LocalGrounder(threads=1)
    right: dict[str, dict[str, list[int]]] = {}
    items = []
    for split in ("train", "dev", "test"):
        for document in documents(data, split):
            if document.id not in pictures or not document.entities:
                continue
            gold = [[box.xyxy for box in entity.boxes] for entity in document.entities]
            image = load_image(pictures[document.id])
            found = grounder.look(document, document.media[0], image, [])
            answers = _answers(
                mentions_of(document), found, captions.get(document.id, ()), grounder.coefficients
            )
            for name, boxes in answers.items():
                marks = [correct(box, known) for box, known in zip(boxes, gold, strict=True)]
                for part in (split, "all", "with boxes" if any(gold) else "without boxes"):
                    tally = right.setdefault(part, {}).setdefault(name, [0, 0])
                    tally[0] += sum(marks)
                    tally[1] += len(marks)
                if name == "local":
                    items.append({"id": document.id, "split": split, "right": marks})
    return {
        "tables": {
            part: {name: share(*tally) for name, tally in methods.items()}
            for part, methods in right.items()
        },
        "documents": items,
    }


def _answers(
    mentions: list[Mention],
    found: PictureEvidence,
    captions: tuple[str, ...],
    coefficients: Coefficients,
) -> dict[str, list[Corners | None]]:
    """What each setting says of one tweet, from one run of the detectors."""

    def linked(evidence: PictureEvidence, **options: bool) -> list[Corners | None]:
        links = link_mentions(mentions, [evidence], coefficients, **options)
        return [link.box if link else None for link in links]

    whole_picture = (0.0, 0.0, float(found.width), float(found.height))
    change = dataclasses.replace
    return {
        "all absent": [None for _ in mentions],
        "whole picture for PER": [whole_picture if m.type == "PER" else None for m in mentions],
        "local": linked(found),
        "local, caption": linked(change(found, captions=captions)),
        "local, guessing": linked(found, guess=True),
        "local, guessing, caption": linked(change(found, captions=captions), guess=True),
        "local, no lettering": linked(change(found, lines=None)),
        "local, no faces or people": linked(change(found, faces=None, persons=None)),
    }


def second_annotation(data: Path, coefficients: Coefficients) -> dict[str, Any]:
    """Image-target matching boxes: how far two annotations agree, and the matcher against both."""
    captions = published_captions(data)
    known = {
        (case.document, case.mention.text): case
        for split in ("train", "dev", "test")
        for case in cases(data, split, captions)
    }
    predict = blind(coefficients, caption=True, fine=True)
    agree = matched = total = 0
    for picture, target, boxes in itm_targets(data):
        case = known.get((picture, target))
        if case is None or (boxes and case.size is None):
            continue
        total += 1
        first = max(case.boxes, key=area, default=None)
        agree += correct(first, boxes)
        matched += correct(predict(case), boxes)
    return {"GMNER's boxes": share(agree, total), "matcher, caption": share(matched, total)}


def detectors(data: Path, coefficients: Coefficients) -> dict[str, Any]:
    """Faces and bodies on tiny_coco (the same photographs that they were fitted on)."""
    faces, persons = FaceFinder(coefficients.face), PersonFinder()
    tally = dict.fromkeys(("faces", "true faces", "visible", "found", "people", "true people"), 0)
    for image, people in coco_pictures(data):
        found = [item.box for item in faces.find(image)]
        tally["faces"] += len(found)
        tally["true faces"] += sum(is_face(box, people) for box in found)
        for person in people:
            # The finder works at 640 pixels and from 24 upwards.
            scale = min(1.0, 640 / max(image.width, image.height))
            if person.face is None or (person.face[2] - person.face[0]) * scale < 24:
                continue
            tally["visible"] += 1
            tally["found"] += any(is_face(box, [person]) for box in found)
        whole_people = [item.box for item in persons.find(image)]
        tally["people"] += len(whole_people)
        tally["true people"] += sum(
            any(intersection_over_union(box, person.box) > 0.5 for person in people)
            for box in whole_people
        )
    return tally


def evaluate(data: Path) -> dict[str, Any]:
    """All tables as plain values."""
    coefficients = load_coefficients()
    return {
        "unseen": unseen(data, coefficients),
        "seen": seen(data),
        "end to end": end_to_end(data),
        "crops": crops(data),
        "second annotation": second_annotation(data, coefficients),
        "detectors": detectors(data, coefficients),
    }


def tables(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = []
    blocks = [(f"FMNERG {split}, no picture", rows) for split, rows in report["unseen"].items()]
    blocks += [(f"pictures: {part}", rows) for part, rows in report["seen"]["tables"].items()]
    blocks.append(("image-target matching boxes", report["second annotation"]))
    published = report["crops"]
    blocks += [
        (f"crops of FocalMRE's {name} found again (no EEG)", rows)
        for name, rows in published["recall"].items()
    ]
    blocks.append(
        ("regions chosen for MNRE's mentions that are a crop (no EEG)", published["chosen"])
    )
    for title, rows in blocks:
        lines += [f"### {title}", "", "| method | right | % | 95 % |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {row['right']} / {row['total']} | {row['percent']} "
            f"| {row['low']} to {row['high']} |"
            for name, row in rows.items()
        ]
        lines.append("")
    lines += ["### end to end", "", *_end_to_end_rows(report["end to end"]), ""]
    lines += [f"MNRE: {', '.join(f'{n} {what}' for what, n in published['numbers'].items())}.", ""]
    counts = report["detectors"]
    lines += [
        "### detectors on tiny_coco",
        "",
        f"Faces: {counts['true faces']} of {counts['faces']} found are faces.",
        f"Frontal faces large enough: {counts['found']} of {counts['visible']} were found.",
        f"People from head to foot: {counts['true people']} of {counts['people']} found are right.",
        "",
    ]
    return "\n".join(lines)


def _end_to_end_rows(report: dict[str, Any]) -> list[str]:
    heading = "| tweets | method | gold | predicted | MNER | EEG right | EEG F1 | GMNER F1 |"
    rows = [heading, "|---" * 8 + "|"]
    for part, methods in report.items():
        for name, row in methods.items():
            mner, eeg, gmner = (row[key] for key in ("mner", "eeg", "gmner"))
            rows.append(
                f"| {part} | {name} | {eeg['gold']} | {eeg['predicted']} | {mner['f1']} "
                f"| {eeg['correct']} | {eeg['f1']} | {gmner['f1']} |"
            )
    return rows
