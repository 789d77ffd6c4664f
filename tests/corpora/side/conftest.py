"""Side files of our own wording, laid out as the published ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import Anomaly
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.source import Found

Write = Callable[..., Found]

#: two posts of Twitter-2015 and one of Twitter-2017's shape
TWEETS = "IMGID:11\nRain\tO\nover\tO\nTurin\tB-LOC\n\nIMGID:12\nAda\tB-PER\nsings\tO\n"


class Notes(list[Anomaly]):
    """Collects anomalies; called as ``on_problem``."""

    def __call__(self, anomaly: Anomaly) -> None:
        self.append(anomaly)

    @property
    def kinds(self) -> list[str]:
        return [anomaly.kind for anomaly in self]

    @property
    def codes(self) -> list[str]:
        return [anomaly.error.code for anomaly in self if anomaly.error is not None]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file (text, bytes, or a value as JSON) and returns it as found."""

    def put(content: Any, name: str = "side.txt") -> Found:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return Found(DataFile(name), path)

    return put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus root with the test split of Twitter-2015 and side files for it."""
    data = tmp_path / "data"
    (data / "twitter2015").mkdir(parents=True)
    (data / "twitter2015" / "test.txt").write_text(TWEETS, encoding="utf-8")
    captions = data / "captions" / "twitter_blip2"
    captions.mkdir(parents=True)
    (captions / "BLIP2_15.txt").write_text("11.jpg :clouds above a town\n12.jpg : \n")
    knowledge = data / "knowledge" / "pgim" / "2015"
    knowledge.mkdir(parents=True)
    (knowledge / "test.txt").write_text(
        "Ada\tB-PER\nsings\tO\n<EOS>\tX\nA\tX\nsinger.\tX\n\n"
        "Rain\tO\nover\tO\nTurin\tB-LOC\n<EOS>\tX\nA\tX\ntown.\tX\n"
    )
    return data
