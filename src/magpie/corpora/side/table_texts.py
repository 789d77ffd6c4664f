"""The side sources of texts: captions, knowledge, and copies of a corpus; see ``table``."""

from __future__ import annotations

from magpie.corpora.side import riveg, texts
from magpie.corpora.side.card import SideSource
from magpie.corpora.side.entries import (
    DEV,
    GMNER,
    MNRE2,
    NO_LICENCE,
    SPLITS,
    TWITTER15,
    TWITTER17,
    VALID,
    Triple,
    every_split,
    gaps,
    one_split,
    own_split,
    parts_of,
    single,
)

__all__ = ["TEXTS"]

_PGIM = "JinYuanLi0012/PGIM @ a13b275"
_RIVEG = "JinYuanLi0012/RiVEG @ 6af00ff"
_CAMIM = "zefanZhang-cn/CAMIM @ df328a3"


def _mnre_texts(
    name: str,
    pattern: str,
    title: str,
    *,
    literals: bool = False,
    empty: Triple = (0, 0, 0),
    lacking: Triple = (0, 0, 0),
) -> SideSource:
    """One of CAMIM's six sets of descriptions, each for every picture of MNRE 2."""
    rows = (7357, 932, 915)
    defects = ["each file has one row more than there are pictures, for 'inf', which is none"]
    if any(empty):
        defects.append(
            f"{empty[0]} / {empty[1]} / {empty[2]} texts are empty (train / dev / test): their "
            f"{lacking[0]} / {lacking[1]} / {lacking[2]} documents go without"
        )
    return SideSource(
        name=name,
        title=title,
        kind="caption",
        reader=texts.captions_in_literals if literals else texts.captions_in_json,
        parts=parts_of(
            pattern,
            {
                "documents": rows,
                "context": (rows[0] - empty[0], rows[1] - empty[1], rows[2] - empty[2]),
            },
            texts=name,
            anomalies={"text-empty": empty},
        ),
        uses=own_split(MNRE2),
        gaps=gaps(MNRE2, **dict(zip(SPLITS, lacking, strict=True))) if any(empty) else {},
        licence=NO_LICENCE,
        origin=_CAMIM,
        defects=tuple(defects),
    )


#: captions, what language models said, and lists of entities
TEXTS = [
    SideSource(
        name="blip2",
        title="BLIP-2 captions of the Twitter corpora",
        kind="caption",
        reader=texts.captions_by_line,
        parts={
            "2015": single(
                "captions/twitter_blip2/BLIP2_15.txt",
                {"text-empty": 2},
                documents=8288,
                context={"blip2": 8286},
            ),
            "2017": single(
                "captions/twitter_blip2/BLIP2_17.txt", documents=4819, context={"blip2": 4819}
            ),
        },
        uses={
            **every_split(TWITTER15, "2015"),
            **every_split(TWITTER17, "2017"),
            **every_split(GMNER, "2015", "2017"),
        },
        gaps={**gaps(TWITTER15, train=1, dev=1), **gaps(GMNER, train=1)},
        licence=NO_LICENCE,
        origin=f"{_PGIM}; RiVEG ships the same files",
        defects=("2 captions of the 2015 file are empty",),
    ),
    SideSource(
        name="detr",
        title="short captions of the Twitter corpora by a DETR captioner",
        kind="caption",
        reader=texts.captions_in_json,
        parts={
            "2015": single(
                "captions/twitter_detr/twitter2015_images.json",
                documents=8288,
                context={"detr": 8288},
            ),
            "2017": single(
                "captions/twitter_detr/twitter2017_images.json",
                documents=4461,
                context={"detr": 4461},
            ),
        },
        uses={
            **every_split(TWITTER15, "2015"),
            **every_split(TWITTER17, "2017"),
            **every_split(GMNER, "2015", "2017"),
        },
        gaps=gaps(TWITTER17, train=250, dev=58, test=50),
        licence="MIT (the repository); tweets under the terms of Twitter",
        origin="codezakh/exploiting-BERT-thru-translation @ 800de54",
        defects=("the 2017 file covers 3123 / 665 / 673 of the 3373 / 723 / 723 tweets",),
    ),
    SideSource(
        name="mplug-owl",
        title="mPLUG-Owl paragraphs on the pictures of GMNER",
        kind="caption",
        reader=texts.paragraphs,
        parts=parts_of(
            "captions/gmner_mplug_owl/owl{}caption_1.txt",
            {"documents": (6999, 1499, 1499), "context": (6999, 1499, 1499)},
            texts="mplug-owl",
            names=DEV,
        ),
        uses=own_split(GMNER),
        gaps=gaps(GMNER, train=1, dev=1, test=1),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("the last tweet of each split is missing: 8778, 555663, 15772",),
    ),
    _mnre_texts("minicpm", "captions/mnre/minicpm_{}.json", "MiniCPM-V on MNRE 2"),
    _mnre_texts("cogvlm", "captions/mnre/cogvlm_{}.json", "CogVLM on MNRE 2"),
    _mnre_texts("llava-next", "captions/mnre/llavanext_{}.json", "LLaVA-NeXT on MNRE 2"),
    _mnre_texts(
        "mnre-blip",
        "captions/mnre/BLIP_{}.txt",
        "BLIP captions of MNRE 2",
        literals=True,
        empty=(30, 4, 1),
        lacking=(54, 6, 1),
    ),
    _mnre_texts(
        "mnre-instruct",
        "captions/mnre/instruct_{}.txt",
        "short descriptions of MNRE 2, called 'instruct' by their source",
        literals=True,
    ),
    _mnre_texts(
        "mnre-caption",
        "captions/mnre/caption_{}.txt",
        "descriptions of one or two sentences of MNRE 2, called 'caption' by their source",
        literals=True,
    ),
    SideSource(
        name="pgim",
        title="auxiliary knowledge of PGIM: ChatGPT on text and caption",
        kind="note",
        join="words",
        reader=texts.knowledge_behind_words,
        parts={
            **parts_of(
                "knowledge/pgim/2015.zip!{}.txt",
                {"documents": (3999, 999, 3256), "context": (3999, 999, 3256)},
                texts="pgim",
                prefix="2015-",
                names=VALID,
            ),
            **parts_of(
                "knowledge/pgim/2017.zip!{}.txt",
                {"documents": (3373, 723, 723), "context": (3373, 723, 723)},
                texts="pgim",
                prefix="2017-",
                names=VALID,
            ),
        },
        uses={**own_split(TWITTER15, "2015-"), **own_split(TWITTER17, "2017-")},
        gaps={
            **gaps(("twitter2015@umt",), train=1, dev=1, test=1),
            **gaps(("twitter2015@tmr",), train=6, dev=4, test=1),
        },
        licence=NO_LICENCE,
        origin=_PGIM,
        defects=(
            "2015: the last tweet of each split is missing: 33008, 370925, 1418707",
            "2015 repeats twitter2015@umt: the words of 5 train and 3 dev tweets of @tmr differ",
        ),
    ),
    SideSource(
        name="pgim-manual",
        title="worked samples of PGIM, written by hand: entities and reasoning",
        kind="note",
        reader=texts.id_and_text_lines,
        parts={
            "2015": single(
                "knowledge/pgim_manual/2015train.txt", documents=123, context={"pgim-manual": 123}
            ),
            "2017": single(
                "knowledge/pgim_manual/2017train.txt", documents=202, context={"pgim-manual": 202}
            ),
        },
        uses={**one_split(TWITTER15, "train", "2015"), **one_split(TWITTER17, "train", "2017")},
        gaps={**gaps(TWITTER15, train=3877), **gaps(TWITTER17, train=3171)},
        licence=NO_LICENCE,
        origin=_PGIM,
        defects=("made with the gold labels in view: samples for prompts, no input to score",),
    ),
    SideSource(
        name="pgim-manual-answers",
        title="the same samples as lists of entities and types",
        reader=texts.id_and_text_lines,
        parts={
            "2015": single(
                "knowledge/pgim_manual/2015train_GPT.txt",
                documents=123,
                context={"pgim-manual-answers": 123},
            ),
            "2017": single(
                "knowledge/pgim_manual/2017train_GPT.txt",
                documents=204,
                context={"pgim-manual-answers": 204},
            ),
        },
        uses={**one_split(TWITTER15, "train", "2015"), **one_split(TWITTER17, "train", "2017")},
        gaps={**gaps(TWITTER15, train=3877), **gaps(TWITTER17, train=3169)},
        licence=NO_LICENCE,
        origin=_PGIM,
        defects=(
            "names the answers, so it is no context",
            "2017 has two samples more than pgim-manual: 16_05_06_815 and 16_05_16_481",
        ),
    ),
    SideSource(
        name="riveg",
        title="auxiliary knowledge of RiVEG: ChatGPT on text and caption",
        kind="note",
        join="words",
        reader=texts.knowledge_behind_words,
        parts=parts_of(
            "knowledge/riveg/Twitter10000_noaugment.zip!{}.txt",
            {"documents": (7000, 1500, 1500), "context": (7000, 1500, 1500)},
            texts="riveg",
            names=VALID,
        ),
        uses=own_split(GMNER),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("the file with five models' knowledge (Twitter10000_augment.zip) is not known",),
    ),
    SideSource(
        name="riveg-expansion",
        title="RiVEG's phrases on the entities that it predicted in GMNER's test split",
        kind="note",
        reader=riveg.expansions,
        parts={
            "test": single(
                "knowledge/riveg/OFAVE_to_OFAREC_augment.txt",
                documents=2535,
                pictures=1408,
                context={"riveg-expansion": 2535},
            )
        },
        uses=one_split(GMNER, "test", "test"),
        gaps=gaps(GMNER, test=92),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("several texts a tweet, none where nothing was predicted",),
    ),
    SideSource(
        name="riveg-predictions",
        title="what RiVEG predicted on GMNER's test split, without boxes",
        reader=riveg.predicted_answers,
        parts={
            "test": single(
                "knowledge/riveg/OFAVE_to_OFAREC_augment.txt",
                documents=2535,
                pictures=1408,
                entities=2535,
                grounded=1044,
            )
        },
        uses=one_split(GMNER, "test", "test"),
        gaps=gaps(GMNER, test=92),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=(
            "whether an entity shows is published, where it shows is not: no GMNER or EEG score",
        ),
    ),
    SideSource(
        name="riveg-gold",
        title="RiVEG's gold file of GMNER's test split, with a phrase on each entity",
        reader=riveg.gold_answers,
        parts={
            "test": single(
                "knowledge/riveg/GMNER_finall_label.txt",
                documents=2542,
                pictures=1417,
                entities=2542,
                grounded=1045,
                regions=1253,
            )
        },
        uses=one_split(GMNER, "test", "test"),
        gaps=gaps(GMNER, test=83),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=(
            "names the gold entities, so it is no context",
            "one entity of gmner@2.0 is missing: Selena Quintanilla (PER) of tweet 15772",
        ),
    ),
    SideSource(
        name="riveg-tweets",
        title="the tweets of GMNER as lines, as RiVEG gives them to language models",
        reader=texts.id_and_text_lines,
        parts=parts_of(
            "knowledge/riveg/new{}.txt",
            {"documents": (6999, 1499, 1499), "context": (6999, 1499, 1499)},
            texts="riveg-tweets",
            names=DEV,
        ),
        uses=own_split(GMNER),
        gaps=gaps(GMNER, train=1, dev=1, test=1),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("the last tweet of each split is missing: 8778, 555663, 15772",),
    ),
    SideSource(
        name="riveg-base",
        title="GMNER as column files without knowledge",
        join="words",
        reader=texts.tagged_by_words,
        parts=parts_of(
            "knowledge/riveg/Twitter10000_base.zip!{}.txt",
            {
                "documents": (7000, 1500, 1500),
                "words": (112542, 24199, 23738),
                "entities": (11779, 2450, 2543),
            },
            names=VALID,
        ),
        uses=own_split(GMNER),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("repeats gmner@2.0: words and labels are equal, picture ids are left out",),
    ),
    SideSource(
        name="riveg-template",
        title="GMNER's test split, which RiVEG's scripts fill with predictions",
        reader=texts.tagged_by_picture,
        parts={
            "test": single(
                "knowledge/riveg/test_template.txt", documents=1500, words=23738, entities=2543
            )
        },
        uses=one_split(GMNER, "test", "test"),
        licence=NO_LICENCE,
        origin=_RIVEG,
        defects=("the very file gmner/txt/test.txt",),
    ),
]
