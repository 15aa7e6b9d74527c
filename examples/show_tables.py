"""Read a run's three tables and show them: `python examples/show_tables.py OUTPUT`.

Prints every image with its outcome, and draws OUTPUT/overview.png: the photographs with their 90 points.
"""

import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageOps
from rich.console import Console
from rich.table import Table

from schemas.landmarks import OFFSETS, region_slice
from schemas.tables import face_points

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
"""Pixels of a photograph's frame in the picture."""
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
    table = Table("image", "outcome", "faces", "size", "what the manifest says of it")
    for row in images.sort_values("image_url").itertuples():
        size = f"{row.image_width} x {row.image_height}"
        table.add_row(row.image_id, row.outcome, str(row.face_count), size, row.what_to_expect)
    for row in dead_letters.itertuples():
        table.add_row(row.image_id, f"[red]{row.error_code}[/red]", "-", "-", row.what_to_expect)
    return table


def _drawn(url: str, output: Path) -> Image.Image:
    """Draw one photograph's faces, then shrink it to a tile; lines are scaled to be seen there."""
    photo = ImageOps.exif_transpose(Image.open(url)).convert("RGBA")
    canvas = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
    draw, radius = ImageDraw.Draw(canvas), max(canvas.size) / TILE * 1.3
    faces = pq.read_table(output / "faces", filters=[("image_url", "=", url)])
    for face in face_points(faces):
        for region in OFFSETS:
            for x, y in face[region_slice(region)].tolist():
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLOURS[region])
    return ImageOps.contain(canvas, (TILE, TILE))


def _tiled(pictures: list[Image.Image]) -> Image.Image:
    rows = -(-len(pictures) // TILES_A_ROW)
    sheet = Image.new("RGB", (TILE * TILES_A_ROW, TILE * rows), "#202020")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, TILES_A_ROW)
        left = column * TILE + (TILE - picture.width) // 2
        sheet.paste(picture, (left, row * TILE + (TILE - picture.height) // 2))
    return sheet


if __name__ == "__main__":
    main(Path(sys.argv[1]))
