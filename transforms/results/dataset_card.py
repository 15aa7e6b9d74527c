"""Write the card of an exported dataset, in the form that Hugging Face's hub and `datasets` read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.tables import COLUMN_MEANINGS, FACES, IMAGES
from facebeam.transforms.http.shown_text import shown_text


@dataclass(frozen=True)
class Counts:
    """The counts of an export.

    Args:
        images: number of images.
        faces: number of faces.
        images_by: outcome, source, model version and run -> number of images.
    """

    OF: ClassVar = ("outcome", "source", "face_model_version", "run")

    images: int
    faces: int
    images_by: Mapping[tuple[str, ...], int]

    def by(self, name: str) -> Counter[str]:
        """Count the images by one of `OF`."""
        place, found = self.OF.index(name), Counter[str]()
        for values, count in self.images_by.items():
            found[values[place]] += count
        return found


_CARD = """\
---
# Choose a licence before you publish this dataset, for example "license: cc-by-4.0".
configs:
- config_name: faces
  data_files: faces/*.parquet
  default: true
- config_name: images
  data_files: images/*.parquet
tags:
- facial-landmarks
---
# Facial landmarks

{faces:,} faces in {images:,} images, each face with 90 landmarks. Made with facebeam.

| images by | | |
|---|---|---|
{counts}

`faces` has one row per face, `images` one row per image. The landmarks of a face are {regions}.
Coordinates are pixels of the upright image; `left_*` is the image's left side. Every landmark has a column
for x and one for y, for example `mouth_00_x`.

| column | meaning |
|---|---|
{columns}

Other columns come from the manifest.

The images are not part of this dataset. Landmarks of a face can be personal data: before you publish them,
check the rights on the images, and the law that applies to you.
"""


def dataset_card(counts: Counts) -> str:
    """Give the card in Markdown. It has no licence: only the user knows the rights on the images."""
    rows = [
        f"| {name.replace('face_', '').replace('_', ' ')} | {_cell(value)} | {count:,} |"
        for name in Counts.OF
        for value, count in counts.by(name).most_common()
    ]
    regions = ", ".join(f"{count} of `{region}`" for region, count in REGIONS.items())
    columns = [f"| `{name}` | {meaning} |" for name, meaning in COLUMN_MEANINGS.items() if _is_answer(name)]
    return _CARD.format(
        faces=counts.faces,
        images=counts.images,
        counts="\n".join(rows),
        regions=regions,
        columns="\n".join(columns),
    )


def _cell(value: str) -> str:
    """Format a value for a table in Markdown, without backticks and bars, which would end the cell."""
    return f"`{shown_text(value).replace('`', chr(39)).replace('|', '/')}`"


def _is_answer(column: str) -> bool:
    return column in {*FACES.names, *IMAGES.names}
