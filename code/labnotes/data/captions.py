"""Photographs with captions: COCO."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from dataclasses import dataclass

from labnotes.data import catalog, provenance
from labnotes.data.pictures import Pictures, read_labelled
from labnotes.data.provenance import Provenance


@dataclass(frozen=True)
class CaptionData:
    """A training and a test set of photographs with captions, and where they came from.

    Attributes
    ----------
    train, test : Pictures
        Each target is a list of captions (str), five for almost every photograph.
    provenance : Provenance
        Where they came from.
    """

    train: Pictures
    test: Pictures
    provenance: Provenance

    def __repr__(self) -> str:
        return f"{self.provenance.title}: train {self.train}, test {self.test}"


def coco_captions() -> CaptionData:
    """The photographs of COCO's validation part of 2017 with their captions.

    One photograph in five is for testing, chosen by a checksum of its number, so the split is
    always the same. Where only the 97 photographs under open licences are to be had (see the
    catalogue), those are given, and the provenance says so.

    Raises
    ------
    DatasetUnavailable
        If the photographs are not to be had.
    """
    found = catalog.fetch("coco_captions")
    archives = set(found.paths.values())
    small = [archive for archive in archives if archive.name == "coco_captions_open.zip"]
    if small:
        folder = catalog.unpacked("coco_captions", small[0]) / "coco_captions"
        images, listed = folder / "images", folder / "captions.json"
    else:
        paths = found.paths
        images = catalog.unpacked("coco_captions", paths["val2017.zip"]) / "val2017"
        folder = catalog.unpacked("coco_captions", paths["annotations_trainval2017.zip"])
        listed = folder / "annotations" / "captions_val2017.json"
    content = json.loads(listed.read_text("utf-8"))
    captions = defaultdict(list)
    for annotation in sorted(content["annotations"], key=lambda annotation: annotation["id"]):
        captions[annotation["image_id"]].append(annotation["caption"].strip())
    parts: dict[bool, list] = {False: [], True: []}
    for image in sorted(content["images"], key=lambda image: image["id"]):
        number = image["id"]
        parts[zlib.crc32(str(number).encode()) % 5 == 0].append(
            (images / image["file_name"], captions[number])
        )
    note = f"A subset: {len(content['images'])} of 5,000 photographs." if small else ""
    return CaptionData(
        train=Pictures(parts[False], read_labelled),
        test=Pictures(parts[True], read_labelled),
        provenance=provenance.of(catalog.entry("coco_captions"), found.source, note),
    )
