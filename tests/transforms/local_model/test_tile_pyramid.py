"""The tiles show all of an image at several sizes."""

import numpy as np
import pytest
from PIL import Image

from facebeam.transforms.local_model.tile_pyramid import levels_for, tile_pyramid


@pytest.mark.parametrize("size", [(572, 562), (300, 900), (4000, 3000), (100, 80), (192, 192)])
def test_level_one_is_the_whole_image_and_each_level_covers_it(size: tuple[int, int]) -> None:
    """The first tile is the whole image, and the tiles of each level together cover every pixel."""
    image = Image.new("RGB", size, "white")
    tiles = list(tile_pyramid(image, 192, 3))
    assert not tiles[0].inner.any()
    by_scale = {float(tile.scale.max()) for tile in tiles}
    assert len(by_scale) == 3
    for scale in by_scale:
        level = [tile for tile in tiles if float(tile.scale.max()) == scale]
        seen = np.zeros((round(size[1] / scale) + 200, round(size[0] / scale) + 200), bool)
        for tile in level:
            x, y = tile.origin.astype(int)
            seen[y : y + 192, x : x + 192] |= tile.pixels.any(axis=2)
        height, width = (int(side) for side in np.argwhere(seen).max(axis=0) + 1)
        assert seen[:height, :width].all()
        assert (width * level[0].scale[0], height * level[0].scale[1]) == pytest.approx(size)


def test_a_spot_is_found_where_the_tile_says_it_is() -> None:
    """A tile's origin and scale map its pixels back to the image."""
    image = Image.new("RGB", (1000, 600))
    image.paste("white", (690, 390, 710, 410))
    for tile in tile_pyramid(image, 192, 3):
        bright = np.argwhere(tile.pixels[..., 0] > 120)
        if len(bright):
            spot = (bright.mean(axis=0)[::-1] + 0.5 + tile.origin) * tile.scale
            assert spot == pytest.approx([700, 400], abs=6)


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (1, 1), (2500, 2)])
def test_extreme_shapes_have_few_tiles(size: tuple[int, int]) -> None:
    """A line of pixels has 1, 2 and 3 tiles on its three levels, along the line."""
    tiles = list(tile_pyramid(Image.new("RGB", size), 192, 3))
    assert len(tiles) in {6, 14}  # a single pixel is a square: 1, 4 and 9 tiles
    assert all(tile.pixels.shape == (192, 192, 3) for tile in tiles)


def test_larger_images_have_more_levels() -> None:
    """Larger images have more levels, each from the size at which a face of 34 pixels would be missed."""
    assert [levels_for(side) for side in (1, 480, 481, 850, 851, 4000)] == [1, 1, 2, 2, 3, 3]
