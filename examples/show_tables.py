"""Read the three tables of an output and show them: `python examples/show_tables.py OUTPUT`.

The script prints every image with its outcome, and draws the photographs with their 90 points into
OUTPUT/overview.png.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from rich.console import Console
from rich.table import Table

from facebeam.schemas.landmarks import OFFSETS, region_slice
from facebeam.schemas.tables import face_points

COLOURS = {
    "face_profile": "#ffd400",
    "left_eye": "#00e5ff",
    "right_eye": "#00e5ff",
    "left_eye_brow": "#7cff00",
    "right_eye_brow": "#7cff00",
    "mouth": "#ff3b6b",
    "nose": "#ff9a00",
    "left_pupil": "#ffffff",
    "right_pupil": "#ffffff",
}
TILE = 300
"""Width and height of each photograph in the picture, in pixels."""
TILES_A_ROW = 4


def main(output: Path) -> None:
    """Show all runs under an output folder."""
    images = pd.read_parquet(output / "images")
    dead_letters = pd.read_parquet(output / "dead_letters")
    Console().print(_listed(images, dead_letters))
    pictures = [_drawn(url, output) for url in images["image_url"].unique()]
    _tiled(pictures).save(output / "overview.png", optimize=True)
    print(f"the photographs with their points: {output / 'overview.png'}")


def _listed(images: pd.DataFrame, dead_letters: pd.DataFrame) -> Table:
    table = Table("image", "outcome", "faces", "size", "what the manifest expects")
    for row in images.sort_values("image_url").to_dict("records"):
        size = f"{row['image_width']} x {row['image_height']}"
        table.add_row(row["image_id"], row["outcome"], str(row["face_count"]), size, row["what_to_expect"])
    for row in dead_letters.to_dict("records"):
        table.add_row(row["image_id"], f"[red]{row['error_code']}[/red]", "-", "-", row["what_to_expect"])
    return table


def _drawn(url: str, output: Path) -> Image.Image:
    """Draw one photograph, cropped around its first face; a photograph without a face is drawn whole."""
    photo = ImageOps.exif_transpose(Image.open(url)).convert("RGBA")
    canvas = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
    points = face_points(pq.read_table(output / "faces", filters=[("image_url", "=", url)]))[:1]
    near = _around(points, canvas.size) if len(points) else (0, 0, *canvas.size)
    tile = ImageOps.contain(canvas.crop(near), (TILE, TILE))
    scale = tile.width / (near[2] - near[0])
    draw = ImageDraw.Draw(tile)
    for region in OFFSETS:
        for x, y in ((points[:, region_slice(region)] - near[:2]) * scale).reshape(-1, 2).tolist():
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=COLOURS[region])
    return tile


def _around(points: NDArray[np.float32], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give a square around a face, twice as high as the face, within the photograph."""
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    centre, reach = (low + high) / 2, float(high[1] - low[1])
    left, top = np.maximum(centre - reach, 0).astype(int).tolist()
    right, bottom = np.minimum(centre + reach, size).astype(int).tolist()
    return left, top, right, bottom


def _tiled(pictures: list[Image.Image]) -> Image.Image:
    rows = -(-len(pictures) // TILES_A_ROW)
    sheet = Image.new("RGB", (TILE * TILES_A_ROW, TILE * rows), "#202020")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, TILES_A_ROW)
        left = column * TILE + (TILE - picture.width) // 2
        sheet.paste(picture, (left, row * TILE + (TILE - picture.height) // 2))
    return sheet


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the --output of a committed run")
    chosen = parser.parse_args().output
    if not (chosen / "images").is_dir():
        parser.error(f"{chosen} has no table of images: give the --output of a committed run")
    main(chosen)
