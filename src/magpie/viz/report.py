"""One self-contained HTML page: highlighted text, pictures with boxes, and the table behind them.

Hovering or focusing an entity lights up its boxes, its mention and its row, and the other way
round. The page needs no network, holds no address that a browser would fetch, and its content
security policy allows exactly its own style and script, by digest. The same documents give the
same bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from magpie._io import atomic_stream
from magpie.schema import Block, Document, Entity, Media, Problem
from magpie.schema._show import describe_grounding, type_colour
from magpie.viz._frame import page_head, resource
from magpie.viz._html import Html, element, join
from magpie.viz._pictures import Images, figure
from magpie.viz._relations import other_lines
from magpie.viz._text import describe_entity, highlight, score_text, type_class

__all__ = ["ReportLimits", "ReportSummary", "report", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLimits:
    """How large a page may become; what is left out is said on it.

    Args:
        max_documents: shown in full; the others are counted.
        max_picture_side: longer side of an embedded picture, in pixels.
        max_bytes: once the page is this large, further pictures are left out.
    """

    max_documents: int = 500
    max_picture_side: int = 1000
    max_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class ReportSummary:
    """What went into a page.

    Args:
        documents: seen, all of them.
        shown: documents on the page.
        entities: of all documents.
        types: number of entities on the page by type.
        troubled: documents with status "partial" or "failed".
        pictures_left_out: because the page had reached ``max_bytes``.
    """

    documents: int = 0
    shown: int = 0
    entities: int = 0
    types: Counter[str] = field(default_factory=Counter)
    troubled: int = 0
    pictures_left_out: int = 0


def report(
    documents: Iterable[Document],
    images: Images | None = None,
    title: str = "magpie report",
    *,
    limits: ReportLimits | None = None,
) -> str:
    """The page as text; :func:`write_report` writes it without holding it in memory.

    Args:
        documents: with annotations or without.
        images: where the pictures come from: ``(document, medium) -> path, bytes, Pillow image or
            None``, or a mapping from (document id, media id); ``folder_images(root)`` reads the
            media's own paths. By default only pictures inside the documents are shown. One that
            cannot be loaded is replaced by the reason.
        title: heading of the page.

    Raises:
        SchemaError: the title holds what a file cannot carry.
    """
    limits = limits or ReportLimits()
    summary = ReportSummary()
    body = "".join(_articles(documents, images, limits, summary))
    return _head(title, summary) + body + _foot()


def write_report(
    path: str | os.PathLike[str],
    documents: Iterable[Document],
    images: Images | None = None,
    title: str = "magpie report",
    *,
    limits: ReportLimits | None = None,
) -> ReportSummary:
    """Writes the page of :func:`report`; one document is held at a time, the file appears whole.

    Raises:
        SchemaError: the title holds what a file cannot carry.
    """
    limits = limits or ReportLimits()
    summary = ReportSummary()
    # The head needs counts that are only known at the end, so the body waits in a file.
    with tempfile.TemporaryFile() as body:
        for piece in _articles(documents, images, limits, summary):
            body.write(piece.encode("utf-8"))
        body.seek(0)
        with atomic_stream(path) as stream:
            stream.write(_head(title, summary).encode("utf-8"))
            shutil.copyfileobj(body, stream)
            stream.write(_foot().encode("utf-8"))
    return summary


def _articles(
    documents: Iterable[Document],
    images: Images | None,
    limits: ReportLimits,
    summary: ReportSummary,
) -> Iterator[str]:
    size = 0
    for document in documents:
        summary.documents += 1
        summary.entities += len(document.entities)
        summary.troubled += document.status != "ok"
        if summary.shown >= limits.max_documents:
            continue
        summary.shown += 1
        summary.types.update(entity.type for entity in document.entities)
        full = size >= limits.max_bytes
        if full:
            summary.pictures_left_out += len(document.media)
        article = _article(document, images, limits, with_pictures=not full)
        size += len(article)
        yield article + "\n"


def _article(
    document: Document, images: Images | None, limits: ReportLimits, *, with_pictures: bool
) -> Html:
    counts = [
        f"{len(part)} {one if len(part) == 1 else many}"
        for part, one, many in (
            (document.entities, "entity", "entities"),
            (document.media, "medium", "media"),
        )
        if part
    ]
    header = element(
        "header",
        element("h2", element("bdi", document.id)),
        element("span", document.status, class_=f"status {document.status}"),
        element("span", ", ".join(counts), class_="counts"),
    )

    def shown(media: Iterable[Media]) -> list[Html]:
        if not with_pictures:
            words = "left out: this page is large enough"
            return [element("p", words, class_="nopicture") for _ in media][:1]
        return [figure(document, medium, images, limits.max_picture_side) for medium in media]

    notes = [*_problems(document.problems), *_details(document)]
    if _stepwise(document):
        parts = [*_steps(document, shown), element("div", *notes, class_="left")]
        return element("article", header, *parts, class_="document")
    texts = element("div", *(_block(document, block) for block in document.blocks), class_="text")
    left = element("div", texts, *notes, class_="left")
    return element("article", header, _columns(left, shown(document.media)), class_="document")


def _columns(left: Html, pictures: list[Html]) -> Html:
    right = [element("div", *pictures, class_="pictures")] if pictures else []
    return element("div", left, *right, class_="columns" if pictures else "columns one")


def _stepwise(document: Document) -> bool:
    """Whether the blocks show different pictures, or are steps of which some show one."""
    named = {block.media for block in document.blocks if block.media is not None}
    return len(named) > 1 or (bool(named) and any(b.step is not None for b in document.blocks))


def _steps(document: Document, shown: Callable[[Iterable[Media]], list[Html]]) -> list[Html]:
    """A section a block, in order, each beside its picture; pictures of no block come first.

    A picture that several steps share stands beside the first of them.
    """
    left_over = {medium.id: medium for medium in document.media}
    own = [left_over.pop(block.media or "", None) for block in document.blocks]
    parts = shown(left_over.values())
    front = [element("div", *parts, class_="pictures")] if parts else []
    sections = []
    for block, medium in zip(document.blocks, own, strict=True):
        text = element("div", _block(document, block), class_="text")
        pictures = shown([] if medium is None else [medium])
        sections.append(element("section", _columns(text, pictures), class_="step"))
    return [*front, *sections]


def _block(document: Document, block: Block) -> Html:
    entities = [
        (index, entity)
        for index, entity in enumerate(document.entities)
        if entity.span.block == block.id
    ]
    text = element("p", *highlight(document, block, entities), dir="auto", class_="block")
    if len(document.blocks) == 1:
        return text
    name = f"step {block.step}" if block.step is not None else block.id
    place = "" if block.media in (None, block.id) else f", picture {block.media}"
    return join(element("h3", element("bdi", name), place), text)


def _problems(problems: tuple[Problem, ...]) -> list[Html]:
    if not problems:
        return []
    lines = [
        element(
            "li",
            element("code", problem.code),
            f" {problem.where}: {problem.message}" if problem.where else f" {problem.message}",
            f" {problem.mend}" if problem.mend else "",
        )
        for problem in problems
    ]
    return [element("ul", *lines, class_="problems", aria_label="problems")]


_COLUMNS = ("mention", "type", "fine type", "score", "characters", "in the picture")


def _details(document: Document) -> list[Html]:
    """Table of entities, then relations and events, context, and who says so."""
    annotations = document.annotations
    parts: list[Html] = []
    if annotations is None:
        parts.append(element("p", "nobody has annotated this document", class_="quiet"))
    elif not annotations.entities:
        parts.append(element("p", "no entities found", class_="quiet"))
    else:
        head = element("tr", *(element("th", name, scope="col") for name in _COLUMNS))
        rows = [_row(document, index, entity) for index, entity in enumerate(document.entities)]
        table = element("table", element("thead", head), element("tbody", *rows))
        parts.append(element("div", table, class_="scroll"))
    if others := other_lines(document):
        parts.append(element("ul", *others, class_="others", aria_label="relations and events"))
    for text in document.context:
        what = f"{text.kind} by {text.source}" + (f" of {text.media}" if text.media else "")
        body = element("p", text.text, dir="auto")
        parts.append(element("details", element("summary", what), body))
    if annotations is not None and annotations.provenance is not None:
        who = annotations.provenance
        parts.append(element("p", f"by {who.method} {who.version}".rstrip(), class_="quiet"))
    return parts


def _row(document: Document, index: int, entity: Entity) -> Html:
    span = f"{entity.span.start}–{entity.span.end}"
    if len(document.blocks) > 1:
        span = f"{entity.span.block} {span}"
    cells = (
        element("th", element("bdi", document.text_of(entity)), scope="row"),
        element("td", element("span", entity.type, class_="type")),
        element("td", entity.fine_type or ""),
        element("td", _meter(entity.score), score_text(entity.score), class_="score"),
        element("td", span),
        element("td", describe_grounding(entity)),
    )
    return element(
        "tr",
        *cells,
        class_=type_class(entity.type),
        data_e=index,
        tabindex=0,
        aria_label=describe_entity(document, entity),
    )


def _meter(score: float | None) -> Html:
    if score is None:
        return join()
    bar = {"viewBox": "0 0 100 10", "preserveAspectRatio": "none", "aria-hidden": "true"}
    whole = element("rect", width=100, height=10, class_="whole")
    return element("svg", whole, element("rect", width=100 * score, height=10), **bar)


def _head(title: str, summary: ReportSummary) -> str:
    rules = [f".{type_class(name)}{{--c:{type_colour(name)}}}\n" for name in sorted(summary.types)]
    style = resource("report.css") + "".join(rules)
    head = page_head(title, style, script=resource("report.js"))
    return f'<!doctype html>\n<html lang="en">\n{head}\n<body>\n{_top(title, summary)}\n<main>\n'


def _top(title: str, summary: ReportSummary) -> Html:
    facts = [_count(summary.documents, "document"), _count(summary.entities, "entity", "entities")]
    if summary.shown < summary.documents:
        facts.append(f"the first {summary.shown:,} documents are shown")
    if summary.troubled:
        facts.append(f"{summary.troubled:,} with problems")
    if summary.pictures_left_out:
        facts.append(f"{_count(summary.pictures_left_out, 'picture')} left out")
    return element(
        "header",
        element("div", element("h1", title), element("p", " · ".join(facts)), class_="title"),
        element("div", *_legend(summary), class_="legend", role="group", aria_label="types shown"),
        element("button", "dark / light", type="button", id="theme"),
        class_="top",
    )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _legend(summary: ReportSummary) -> list[Html]:
    """A button a type, the most frequent first; pressed means shown."""
    return [
        element(
            "button",
            element("span", name),
            element("small", f"{count:,}"),
            type="button",
            class_=type_class(name),
            data_t=type_class(name),
            aria_pressed="true",
        )
        for name, count in sorted(summary.types.items(), key=lambda item: (-item[1], item[0]))
    ]


def _foot() -> str:
    made = element("footer", "made by magpie; nothing is loaded from outside")
    script = element("script", Html(resource("report.js")))
    return f"</main>\n{made}\n{script}\n</body>\n</html>\n"
