"""The side sources of regions, weights and graphs; see ``table``."""

from __future__ import annotations

from magpie.corpora.dataset_card import Counts
from magpie.corpora.side import places, values, vinvl
from magpie.corpora.side.card import Part, SideSource
from magpie.corpora.side.entries import (
    DEV,
    GMNER,
    MNRE1,
    MNRE2,
    NO_LICENCE,
    TWITTER15,
    TWITTER17,
    data_file,
    every_split,
    gaps,
    own_split,
    parts_of,
    single,
)

__all__ = ["PLACES"]

_TMR = "thecharm/TMR @ 279b3e2"
_MEGA = "thecharm/Mega @ e5638f2"
_FOCAL = "honk2333/FocalMRE @ 44e18e6"
_MIT = "MIT (the repository); tweets under the terms of Twitter"
_CONVERTED = "converted from pickled dictionaries of lists, texts and numbers to JSON"

_W = ("strong", "weak")
_T15 = "grounding/tmr/twitter2015/"
_T17 = "grounding/tmr/twitter2017/"
_TM = "grounding/tmr/mnre_v2/"

#: what detectors proposed, how text and picture relate, and graphs over both
PLACES = [
    SideSource(
        name="focalmre-detector",
        title="crops of a detector on MNRE 2, by picture",
        reader=places.detector_crops,
        parts=parts_of(
            "grounding/focalmre/{}_detect_box_dict.json",
            {"documents": (7147, 900, 884), "regions": (20885, 2614, 2597)},
            names=DEV,
        ),
        uses=own_split(MNRE2),
        gaps=gaps(MNRE2, train=312, dev=68, test=50),
        licence=NO_LICENCE,
        origin=_FOCAL,
        defects=(
            "209 / 31 / 30 pictures (train / dev / test) have no crop",
            _CONVERTED,
        ),
    ),
    SideSource(
        name="focalmre-grounding",
        title="crops of phrases grounded in the pictures of MNRE 2, by row",
        join="row",
        reader=places.grounding_crops,
        parts=parts_of(
            "grounding/focalmre/{}_vg_box_dict.json",
            {"documents": (12247, 1624, 1614), "regions": (32550, 4344, 4373)},
            names=DEV,
        ),
        uses=own_split(MNRE2),
        licence=NO_LICENCE,
        origin=_FOCAL,
        defects=(
            "which phrase a crop belongs to is not published; tmr-crops-mnre repeats the names",
            _CONVERTED,
        ),
    ),
    SideSource(
        name="tmr-generated",
        title="TMR's boxes on pictures generated from the posts' texts",
        reader=places.generated_boxes,
        parts={
            **parts_of(
                _T15 + "{}_grounding_cut_dif.json",
                {"documents": (4000, 1000, 3257), "regions": (7670, 1955, 6284)},
                prefix="2015-",
                anomalies={"box-skipped": (1, 0, 2)},
            ),
            **parts_of(
                _T17 + "{}_grounding_cut_dif.json",
                {"documents": (3373, 723, 723), "regions": (20556, 0, 0)},
                prefix="2017-",
                anomalies={"box-skipped": (3, 723, 723)},
            ),
        },
        uses={**own_split(TWITTER15, "2015-"), **own_split(TWITTER17, "2017-")},
        licence=NO_LICENCE,
        origin=_TMR,
        defects=(
            "2017 dev and test hold phrases in place of boxes: see tmr-generated-phrases",
            "6 boxes have no area; the generated pictures are not published",
            _CONVERTED,
        ),
    ),
    SideSource(
        name="tmr-generated-mnre",
        title="TMR's boxes on pictures generated from the texts of MNRE 2, by row",
        join="row",
        reader=places.generated_boxes,
        parts=parts_of(
            _TM + "mre_dif_{}_dict.json",
            {"documents": (12247, 1624, 1614), "regions": (32543, 4344, 4373)},
            anomalies={"box-skipped": (5, 1, 0)},
        ),
        uses=own_split(MNRE2),
        licence=NO_LICENCE,
        origin=_TMR,
        defects=("6 boxes have no area; the generated pictures are not published", _CONVERTED),
    ),
    SideSource(
        name="tmr-generated-phrases",
        title="phrases that stand where TMR's boxes on generated pictures should",
        reader=places.phrase_lists,
        parts={
            "2017-dev": single(
                _T17 + "val_grounding_cut_dif.json",
                documents=723,
                context={"tmr-generated-phrases": 1517},
            ),
            "2017-test": single(
                _T17 + "test_grounding_cut_dif.json",
                documents=723,
                context={"tmr-generated-phrases": 1462},
            ),
        },
        uses={"twitter2017@umt": {"dev": ("2017-dev",), "test": ("2017-test",)}},
        licence=NO_LICENCE,
        origin=_TMR,
        defects=("the boxes themselves are not published for these splits",),
    ),
    SideSource(
        name="tmr-crops",
        title="names of TMR's crops of the posts' own pictures",
        reader=places.crop_names,
        parts={
            **parts_of(
                _T15 + "twitter2015_{}_dict.json",
                {"documents": (4000, 999, 3257), "regions": (7667, 1954, 6285)},
                prefix="2015-",
            ),
            **parts_of(
                _T17 + "twitter2017_{}_dict.json",
                {"documents": (3373, 723, 723), "regions": (6851, 1515, 1462)},
                prefix="2017-",
            ),
        },
        uses={**own_split(TWITTER15, "2015-"), **own_split(TWITTER17, "2017-")},
        gaps=gaps(TWITTER15, dev=1),
        licence=NO_LICENCE,
        origin=_TMR,
        defects=(
            "names only; where the crops lie in their pictures is not published",
            "2015 dev has 999 of the 1000 tweets: 1351353 is missing",
            _CONVERTED,
        ),
    ),
    SideSource(
        name="tmr-crops-mnre",
        title="names of TMR's crops of the pictures of MNRE 2, by row",
        join="row",
        reader=places.crop_names,
        parts=parts_of(
            _TM + "mre_{}_dict.json",
            {"documents": (12247, 1624, 1614), "regions": (32550, 4344, 4373)},
        ),
        uses=own_split(MNRE2),
        licence=NO_LICENCE,
        origin=_TMR,
        defects=("focalmre-grounding says where the crops of these names lie", _CONVERTED),
    ),
    SideSource(
        name="tmr-phrases",
        title="the phrases that TMR looked for in the posts' pictures",
        reader=places.phrase_texts,
        parts={
            **parts_of(
                _T15 + "ner15_grounding_text_{}.json",
                {"documents": (4000, 1000, 3257), "context": (4000, 1000, 3257)},
                prefix="2015-",
                texts="tmr-phrases",
            ),
            **parts_of(
                _T17 + "ner17_grounding_text_{}.json",
                {"documents": (3373, 723, 723), "context": (3373, 723, 723)},
                prefix="2017-",
                texts="tmr-phrases",
            ),
        },
        uses={**own_split(TWITTER15, "2015-"), **own_split(TWITTER17, "2017-")},
        licence=NO_LICENCE,
        origin=_TMR,
        defects=("phrases of one post are joined by spaces, so their borders are lost",),
    ),
    SideSource(
        name="tmr-phrases-mnre",
        title="the phrases that TMR looked for in the pictures of MNRE 2, by row",
        join="row",
        reader=places.phrase_texts,
        parts=parts_of(
            _TM + "phrase_text_{}.json",
            {"documents": (12247, 1624, 1614), "context": (12247, 1624, 1614)},
            texts="tmr-phrases-mnre",
        ),
        uses=own_split(MNRE2),
        licence=NO_LICENCE,
        origin=_TMR,
        defects=("the two mentions of a row, in some rows with words for their types",),
    ),
    SideSource(
        name="tmr-weights",
        title="TMR's weights of how text and picture correlate",
        reader=values.weights,
        parts={
            **parts_of(
                tuple(_T15 + f"ner_{k}{{}}_weight_{w}.txt" for k in ("", "diff_") for w in _W),
                {"documents": (4000, 1000, 3257), "pictures": (4000, 1000, 3257)},
                prefix="2015-",
            ),
            **parts_of(
                tuple(_T17 + f"{k}ner_{{}}_weight_{w}.txt" for k in ("", "diff_") for w in _W),
                {"documents": (3373, 723, 723), "pictures": (3373, 723, 723)},
                prefix="2017-",
            ),
            **parts_of(
                tuple(_TM + f"{k}{{}}_weight_{w}.txt" for k in ("", "dif_") for w in _W),
                {"documents": (12247, 1624, 1614), "pictures": (7356, 931, 914)},
                prefix="mnre-",
            ),
        },
        uses={
            **own_split(TWITTER15, "2015-"),
            **own_split(TWITTER17, "2017-"),
            **own_split(MNRE2, "mnre-"),
        },
        licence=NO_LICENCE,
        origin=_TMR,
        defects=(
            "strong and weak add up to 1 in MNRE 2 and do not in the Twitter corpora",
            "MNRE 2: the rows stand in another order than the corpus",
            "MNRE 2: 1803 / 255 / 254 pictures have several weights; no row names its pair",
        ),
    ),
    SideSource(
        name="itm",
        title="image-target matching: targets of sentiment and their boxes, on Twitter-2017",
        reader=places.targets,
        parts=parts_of(
            "grounding/itm/VG_{}.json",
            {
                "documents": (1176, 588, 588),
                "pictures": (600, 297, 280),
                "regions": (540, 311, 294),
            },
            names=DEV,
        ),
        uses=every_split(TWITTER17, "train", "dev", "test"),
        gaps=gaps(TWITTER17, train=2602, dev=519, test=521),
        licence=NO_LICENCE,
        origin="NUSTM/ITM @ 01e298d",
        defects=(
            "its splits are not those of twitter2017",
            "where a target is an entity of GMNER its boxes are GMNER's (2202 of 2211)",
            _CONVERTED,
        ),
    ),
    SideSource(
        name="mega-scene",
        title="MEGA's scene graphs of the pictures of MNRE 1",
        reader=values.scene_graphs,
        parts=parts_of(
            "grounding/mega/graph_of_image/{}.json",
            {"documents": (3996, 499, 675), "links": (43324, 5660, 6891)},
        ),
        uses=every_split(MNRE1, "train", "dev", "test"),
        licence=_MIT,
        origin=_MEGA,
        defects=(
            "794 / 95 / 142 graphs have no edge; objects are numbered 0 to 9 and have no boxes",
        ),
    ),
    SideSource(
        name="mega-combined",
        title="MEGA's graphs of words and objects, by row of MNRE 1",
        join="row",
        reader=values.combined_graphs,
        parts=parts_of(
            "grounding/mega/combined_graph_edges.zip!combined_graph_edges/{}",
            {"documents": (7824, 975, 1282), "links": (204714, 25801, 32774)},
            folder=True,
        ),
        uses=own_split(MNRE1),
        licence=_MIT,
        origin=_MEGA,
        defects=("2040 / 314 / 372 graphs number the words of each sentence from 0 anew",),
    ),
    SideSource(
        name="mega-posts",
        title="the raw tweets of MNRE 1 with pairs of mentions, by row",
        join="row",
        reader=values.raw_posts,
        parts={
            "dev": single("grounding/mega/input/val_data.json", documents=975, relations=6113),
            "test": single("grounding/mega/input/test_data.json", documents=1282, relations=7988),
        },
        uses={"mnre@1": {"dev": ("dev",), "test": ("test",)}},
        licence=_MIT,
        origin=_MEGA,
        defects=(
            "holds the relations, so it is no context",
            "train_data.json is not known; 281 / 330 posts have no address (dev / test)",
        ),
    ),
    SideSource(
        name="trc",
        title="tweets with two labels on how text and picture relate",
        reader=values.relatedness,
        parts={"all": single("grounding/trc/trc.json", documents=4471)},
        uses={},
        licence=NO_LICENCE,
        origin="SilyRab/AoM @ 82b5ed0",
        defects=(
            "4471 tweets of no other corpus: [0, 0] 1513, [0, 1] 1147, [1, 0] 981, [1, 1] 830",
            "2 tweets have no words",
        ),
    ),
    SideSource(
        name="vinvl",
        title="VinVL regions of six pictures of GMNER",
        reader=vinvl.vinvl_places,
        parts={
            "all": Part(
                (data_file("images/gmner_vinvl", folder=True),),
                Counts(documents=6, regions=184),
            )
        },
        uses=every_split(GMNER, "all"),
        gaps=gaps(GMNER, train=6999, dev=1500, test=1496),
        licence=NO_LICENCE,
        origin="LewiZzzz/FMNERG-visualization @ ca9feb6",
        defects=("6 of 10000 tweets; the full set (NUSTM/FMNERG) is not at hand",),
    ),
]
