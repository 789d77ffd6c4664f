"""What a name of boxes or regions stands for.

====================  ==========================================================================
``blobs``             patches of a simple drawing, with thumbnails of 768 numbers
``detector:NAME``     a detector, with vectors of its own
``FILE.json``         boxes of a file
a side source         boxes published beside the corpora, such as ``focalmre-detector``
any other             what was handed in under that name, such as ``proposals``
``BOXES@BACKBONE``    any of these, its cut-outs described by a picture network
====================  ==========================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from magpie.corpora import side
from magpie.errors import ConfigError
from magpie.features.box_files import FileBoxes
from magpie.features.boxes import Boxes, SideBoxes
from magpie.features.proposals import BlobProposer, BoxProposer, ProposedBoxes, Proposer

__all__ = ["DETECTOR", "RegionNames"]

#: what a detector's name begins with
DETECTOR = "detector:"


class RegionNames:
    """Finds proposers and boxes by name, and keeps them.

    Args:
        boxes: handed in, by name.
        proposers: handed in, by name.
        corpora: the folder of all corpora, for side sources (default: ``MAGPIE_DATA``).
        device: that networks run on.
    """

    def __init__(
        self,
        boxes: Mapping[str, Boxes] | None = None,
        proposers: Mapping[str, Proposer] | None = None,
        *,
        corpora: str | os.PathLike[str] | None = None,
        device: str = "cpu",
    ) -> None:
        self._boxes: dict[str, Boxes] = dict(boxes or {})
        self._proposers: dict[str, Proposer] = {"blobs": BlobProposer(), **(proposers or {})}
        self._corpora = corpora
        self._device = device

    @property
    def known(self) -> tuple[str, ...]:
        """Names that were handed in, or are always there."""
        return tuple(sorted({*self._boxes, *self._proposers}))

    def boxes(self, name: str) -> Boxes | None:
        """Boxes of that name; None where there are none.

        Raises:
            NotFoundError: a file of boxes that is not there (when it is read).
        """
        found = self._boxes.get(name)
        if found is None and name in side.SOURCES:
            found = SideBoxes(name, self._corpora)
        elif found is None and name.endswith(".json"):
            found = FileBoxes(name)
        elif found is None and (proposer := self._proposer(name)) is not None:
            found = ProposedBoxes(proposer)
        if found is not None:
            self._boxes[name] = found
        return found

    def proposer(self, name: str, *, bare: bool = False) -> Proposer:
        """Who proposes regions of that name.

        Args:
            name: see above.
            bare: take boxes that nobody describes, too; their vectors have no numbers.

        Raises:
            ConfigError: nobody does.
        """
        found = self._proposer(name)
        boxes = self.boxes(name) if found is None else None
        if boxes is not None and bare:
            return BoxProposer(boxes)
        if found is None:
            mend = "Name their folder: regions={'vinvl': 'FOLDER'}, or --regions vinvl=FOLDER."
            if boxes is not None:
                mend += f" Or let a picture network describe its boxes: {name}@BACKBONE."
            raise ConfigError(f"nobody gives region features called {name!r}", mend=mend)
        self._proposers[name] = found
        return found

    def _proposer(self, name: str) -> Proposer | None:
        if name in self._proposers:
            return self._proposers[name]
        boxes, mark, backbone = name.rpartition("@")
        # Networks are imported only where one is named.
        if mark and boxes and backbone:
            from magpie.features.described import DescribedProposer

            return DescribedProposer(self.proposer(boxes, bare=True), backbone, device=self._device)
        if name.startswith(DETECTOR) and len(name) > len(DETECTOR):
            from magpie.features.detected import DetectorProposer

            return DetectorProposer(name.removeprefix(DETECTOR), device=self._device)
        return None
