"""The dataset card of COCO: a cut-out of 100 photographs in the format of the complete release."""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard

__all__ = ["CARD"]

_ARCHIVE = "photos/tiny_coco.zip"

#: supercategory -> its categories
_CATEGORIES = {
    "person": "person",
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
    "outdoor": "traffic light, fire hydrant, stop sign, parking meter, bench",
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "accessory": "backpack, umbrella, handbag, tie, suitcase",
    "sports": "frisbee, skis, snowboard, sports ball, kite, "
    "baseball bat, baseball glove, skateboard, surfboard, tennis racket",
    "kitchen": "bottle, wine glass, cup, fork, knife, spoon, bowl",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "furniture": "chair, couch, potted plant, bed, dining table, toilet",
    "electronic": "tv, laptop, mouse, remote, keyboard, cell phone",
    "appliance": "microwave, oven, toaster, sink, refrigerator",
    "indoor": "book, clock, vase, scissors, teddy bear, hair drier, toothbrush",
}

_HIERARCHY = {name: parent for parent, names in _CATEGORIES.items() for name in names.split(", ")}


def _split(name: str, digests: tuple[str, str, str, str], counts: Counts) -> SplitCard:
    """``digests`` are those of instances, captions, keypoints and pictures."""
    kinds = ("instances", "captions", "person_keypoints")
    files = [
        DataFile(_ARCHIVE, digest, member=f"annotations/{kind}_{name}.json")
        for kind, digest in zip(kinds, digests[:3], strict=True)
    ]
    pictures = DataFile(_ARCHIVE, digests[3], member=name, folder=True)
    return SplitCard(files[0], counts, more=(*files[1:], pictures))


def _counts(*, regions: int, captions: int, keypoints: int) -> Counts:
    return Counts(
        documents=50,
        entities=0,
        entities_lenient=0,
        pictures=50,
        regions=regions,
        context={"coco-captions": captions, "coco-keypoints": keypoints},
    )


CARD = Card(
    name="coco",
    version="1",
    title="COCO (instances, captions, keypoints), cut-out of 100 photographs",
    task="objects, captions and persons' keypoints in photographs",
    licence="annotations CC BY 4.0; each photograph has a licence of its own in the file",
    origin="lizhogn/tiny_coco_dataset @ 68523dd",
    citation="Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
    hierarchy={name: parent for parent, names in _CATEGORIES.items() for name in names.split(", ")},
    splits={
        "train": _split(
            "train2017",
            (
                "aa51f1a842e35e5b09e82d74162433274b50ded20876185382958fbab821d6a6",
                "0bb974528b07bb23f44e13d390b33826fb3b9f3ff946f108f2a072e2a752d941",
                "451f59978466fb0306234ed76509c863627b8bb3981c219007a76cde0a2f1203",
                "e2e8d48c98af0ae56ac367ae559e0508b8a7156f803269f9d9e9400632e5a697",
            ),
            _counts(regions=470, captions=250, keypoints=57),
        ),
        "dev": _split(
            "val2017",
            (
                "beba70a258b233e13aed78ea3e2b21715ec8cff6f67add22cd1bbb43d906e5e7",
                "349fd3bc15a5ee082ef3b1474be99418c1887fea2480160aefecd38669622d0c",
                "8db6ad5594775aa4934717e62f5e5c729b845cd4cf6631adb07dd7d28bfbf201",
                "07d815320bd05048d7d042453cb0106e6238afc8e253d6f80ffb46ec3a2874bc",
            ),
            _counts(regions=382, captions=250, keypoints=46),
        ),
    },
    defects=(
        (
            "of the complete release (118287 and 5000 photographs) only 50 and 50 are at hand; "
            "their boxes use 49 and 48 of the 80 categories"
        ),
        "5 and 5 boxes stand for a crowd; they carry `crowd` as evidence",
        "1 and 2 photographs have no box",
        "99 and 127 boxes are persons with keypoints, of which 57 and 46 have one marked",
    ),
)
