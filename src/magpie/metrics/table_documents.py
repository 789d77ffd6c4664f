"""The protocols of events, forms, procedures, several media and generated strings."""

from __future__ import annotations

from magpie.metrics.declare import Option, Protocol

__all__ = ["DOCUMENT_DEFAULTS", "DOCUMENT_PROTOCOLS"]


def _switch(name: str, help: str) -> Option:
    return Option(name=name, default=False, values=(False, True), help=help)


_BOXES = (
    Option(
        name="boxes",
        default="each",
        values=("each", "union"),
        help="each box is an argument, or the box around all boxes of a role in a picture is",
    ),
    _switch("inside", "accept a predicted box of which 90 % lie in a gold box"),
    _switch("many_to_one", "let several predicted boxes meet one gold box, as the public code"),
)
_LEGACY = "count repeated strings as the public code does"

_EVENTS = (
    Protocol(
        name="m2e2-text@1",
        task="events",
        summary="events of M2E2 in the text, micro; events: type and trigger; arguments: event "
        "type, characters and role, Time roles left out on both sides",
        parts=("events", "arguments"),
        counter="magpie.metrics.events:count_text",
        needs_document=True,
    ),
    Protocol(
        name="m2e2-text-position@1",
        task="events",
        summary="as the public code of M2E2: arguments of equal mentions are compared by role "
        "only, in the order in which they stand; Time roles count in the gold alone",
        parts=("events", "arguments"),
        counter="magpie.metrics.events:count_text",
        fixed={"position": True},
        needs_document=True,
    ),
    Protocol(
        name="m2e2-image@1",
        task="events",
        summary="events of M2E2 in pictures, micro; events: type and picture; arguments: event "
        "type, role and IoU from 0.5 on, one to one; Place and Time left out",
        parts=("events", "arguments"),
        counter="magpie.metrics.events:count_image",
        options=_BOXES,
        needs_document=True,
    ),
    Protocol(
        name="m2e2-image-public@1",
        task="events",
        summary="as the public code of M2E2: an argument's event type does not matter, several "
        "boxes may meet one gold box, 90 % inside of a gold box is enough",
        parts=("events", "arguments"),
        counter="magpie.metrics.events:count_image",
        fixed={"any_event": True, "inside": True, "many_to_one": True},
        needs_document=True,
    ),
    Protocol(
        name="m2e2-multimedia@1",
        task="events",
        summary="events of M2E2 told and shown, micro; events: pairs of trigger and picture, right "
        "by type and either of the two; arguments: those of both sides of pairs",
        parts=("events", "arguments"),
        counter="magpie.metrics.events:count_multimedia",
        options=_BOXES,
        needs_document=True,
    ),
    Protocol(
        name="events-umie@1",
        task="events",
        summary="UMIE's tuples of strings, micro; triggers: type and text; arguments: type, role "
        "and text, or IoU from 0.5 on for regions",
        parts=("triggers", "arguments"),
        counter="magpie.metrics.event_strings:count_umie",
        options=(
            _switch("legacy", _LEGACY),
            _switch("labels", "compare regions by their label, as the public code does"),
        ),
        needs_document=True,
    ),
    Protocol(
        name="events-mqa@1",
        task="events",
        summary="MQA's scores, micro; text: type and lower-cased trigger in a sentence; image: "
        "type of a picture; article: set of types shown, without and with none as a class",
        parts=("text", "image", "article", "article-with-none"),
        counter="magpie.metrics.event_strings:count_mqa",
        options=(
            _switch("legacy", _LEGACY),
            _switch("oracle_sentences", "look only at sentences with a gold event"),
        ),
        needs_document=True,
    ),
)

_FORMS = (
    Protocol(
        name="form-labels@1",
        task="forms",
        summary="characters and label of form fields, micro; fields: without those labelled "
        "other; blocks: all",
        parts=("fields", "blocks"),
        counter="magpie.metrics.forms:count_labels",
        needs_document=True,
    ),
    Protocol(
        name="form-links@1",
        task="forms",
        summary="links of form fields as sets a page, micro; links: between question and answer; "
        "strict: with both labels; all: of every kind",
        parts=("links", "strict", "all"),
        counter="magpie.metrics.forms:count_links",
        options=(_switch("directed", "compare links as written, from head to tail"),),
        needs_document=True,
    ),
)

_PROCEDURES = (
    Protocol(
        name="procedure-gmper@1",
        task="procedures",
        summary="entities of procedures, micro; gmper: span and region, best IoU above 0.5; per: "
        "span; groundable: whether a correct span has a region (micro F1 is accuracy)",
        parts=("gmper", "per", "groundable"),
        counter="magpie.metrics.procedures:count_procedure",
        options=(_switch("every_box", "each predicted box must meet a gold box, and the reverse"),),
        needs_document=True,
    ),
)

_MEDIA = ("i-seg", "v-trck", "a-seg")
_AVERAGE = Option(
    name="average",
    default="larger",
    values=("larger", "gold"),
    help="divide the IoUs of a medium by the longer list of regions, or by the gold's",
)


def _muie(name: str, summary: str, parts: tuple[str, ...]) -> Protocol:
    return Protocol(
        name=name,
        task="muie",
        summary=f"{summary}; grounded (not a published score): also shown where the gold is, IoU "
        "from 0.5 on; i-seg, v-trck, a-seg: mean IoU of regions in pictures, frames, recordings",
        parts=(*parts, "grounded", *_MEDIA),
        counter="magpie.metrics.muie:count_muie",
        options=(_AVERAGE,),
        fixed={"grounded": parts[-1]},
        means=_MEDIA,
        needs_document=True,
    )


_MUIE = (
    _muie("muie-ner@1", "entities by characters and type, micro", ("ner",)),
    _muie("muie-re@1", "relations by both ends and type, micro, without none", ("re",)),
    _muie("muie-ee@1", "events, micro; et: type and trigger; ea: type, role, target", ("et", "ea")),
)

_STRINGS = (
    Protocol(
        name="ner-strings@1",
        task="ner",
        summary="type and spelling of entities within a text, micro, for generated strings; spans: "
        "lower-cased spellings as a set, whatever their type",
        parts=("entities", "spans"),
        counter="magpie.metrics.strings:count_ner",
        prepare="magpie.metrics.strings:prepare_ner",
        options=(
            Option(
                name="legacy",
                default=None,
                values=(None, "umie", "mqa"),
                help="count repeated spellings as the code of UMIE or MQA does",
            ),
        ),
    ),
)

DOCUMENT_PROTOCOLS: tuple[Protocol, ...] = (
    *_EVENTS,
    *_FORMS,
    *_PROCEDURES,
    *_MUIE,
    *_STRINGS,
)

#: task -> protocol when none is named
DOCUMENT_DEFAULTS = {
    "events": "m2e2-text@1",
    "forms": "form-labels@1",
    "procedures": "procedure-gmper@1",
    "muie": "muie-ner@1",
}
