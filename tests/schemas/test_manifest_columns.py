"""Which names the columns of a manifest may have."""

import pytest

from facebeam.schemas.manifest_columns import check_column_names, own_columns


@pytest.mark.parametrize(
    "names",
    [
        ["image_url"],
        ["caption", "image_id", "image_url"],
        ["image_url", "größe", "日本", "a b", "x.y", "_x", "__index_level_0__", '"'],
    ],
)
def test_letters_of_any_kind_are_fine(names: list[str]) -> None:
    """A column may have any name without control characters, '=' and '/'."""
    assert check_column_names(names, "image_url") is None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["image_url", "a", "a"], "two columns 'a'"),
        (["image_url", ""], "named ''"),
        (["image_url", "a=b"], "named 'a=b'"),
        (["image_url", "a/b"], "named 'a/b'"),
        (["image_url", "a\nb"], "named 'a\\nb'"),
        (["image_url", "gr\udcf6\udcdfe"], "UTF-8"),
        (["url", "caption"], "rename 'url', or give --url-column url"),
        (["", "image_url"], "like pandas' index: use to_csv(..., index=False)"),
        (["", "", "image_url"], "index=False"),
        (["image_url", "a", "", ""], "named '' after 'a': give it a name, or delete it"),
        (["image_url", "Source"], "column 'Source', which except for its case is a column of the output"),
        (["image_url", "IMAGE_ID"], "'IMAGE_ID'"),
        (["Image_URL", "image_url"], "'Image_URL'"),
        (["image_url", "Caption", "caption"], "columns 'Caption' and 'caption', which differ only in case"),
        (["IMAGE_URL", "caption"], "--url-column IMAGE_URL"),
        ([" image_url"], "--url-column ' image_url'"),
        (["x", "y"], "it has 'x', 'y'; give the column of URLs with --url-column"),
        (["image_url", "face_index"], "column 'face_index', which is a column of the output"),
        (["image_url", "nose_00_x"], "'nose_00_x'"),
        (["image_url", "run"], "'run'"),
    ],
)
def test_reason_names_column_and_cure(names: list[str], reason: str) -> None:
    """A bad set of names is refused, and the message has the first bad column and the fix."""
    found = check_column_names(names, "image_url")
    assert found is not None
    assert reason in found


def test_image_url_beside_another_url_column_is_refused() -> None:
    """With `--url-column photo` a column `image_url` is refused, and the message names the option."""
    found = check_column_names(["photo", "image_url"], "photo")
    assert found is not None
    assert "--url-column photo" in found


def test_key_columns_do_not_pass_through() -> None:
    """The URL's column and `image_id` form the key; only the other columns are the manifest's own."""
    assert own_columns(["a", "photo", "image_id", "b"], "photo") == ["a", "b"]
