"""What a manifest's columns may be called."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from schemas.tables import RESERVED_COLUMNS

URL_COLUMN: Final = "image_url"
ID_COLUMN: Final = "image_id"
MOST_COLUMNS: Final = 1000
"""Each is a column of all three tables; with more of them a writer needs gigabytes."""

_DELIMITER: Final = re.compile("[;,|\t]")
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff=/]")


def check_column_names(names: Sequence[str], url_column: str) -> str | None:
    """Tell what is wrong with the names of a manifest's columns, and the cure; None where nothing is.

    >>> check_column_names(["Image_URL", "caption"], "image_url")
    "has no column 'image_url': rename 'Image_URL', or give --url-column Image_URL"
    """
    if len(names) > MOST_COLUMNS:
        return (
            f"has more than {MOST_COLUMNS} columns, such as {names[-1][:80]!r}: put what varies into one "
            "column, in a .jsonl as an object"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"has two columns {twice!r}: rename one of them"
    if url_column not in names and len(names) == 1 and _DELIMITER.search(names[0]):
        return f"has the one column {names[0]!r}: put commas between the columns of a .csv, tabs in a .tsv"
    bad = next((name for name in names if not name or _FORBIDDEN.search(name)), None)
    if bad is not None:
        return (
            f"has a column named {bad!r}: a name is UTF-8, not empty, without control characters, '=' or '/'"
        )
    if url_column not in names:
        return f"has no column {url_column!r}: {_cure(names, url_column)}"
    return _check_reserved(names, url_column)


def own_columns(names: Sequence[str], url_column: str) -> list[str]:
    """Keep the columns that pass through: all but the URL's and `image_id`."""
    return [name for name in names if name not in {url_column, ID_COLUMN}]


def _check_reserved(names: Sequence[str], url_column: str) -> str | None:
    reserved = next((name for name in own_columns(names, url_column) if name in RESERVED_COLUMNS), None)
    if reserved is None:
        return None
    if reserved == URL_COLUMN:
        return (
            f"has {URL_COLUMN!r} beside --url-column {url_column}: leave the option out, or drop one column"
        )
    return f"has a column {reserved!r}, which is a column of the output: rename it"


def _cure(names: Sequence[str], url_column: str) -> str:
    """Name the column that was probably meant."""
    spelt = {name.lower(): name for name in names}
    near = get_close_matches(url_column.lower(), spelt, n=1, cutoff=0.4)
    if near:
        return f"rename {spelt[near[0]]!r}, or give --url-column {spelt[near[0]]}"
    return f"it has {', '.join(map(repr, names))[:200] or 'none'}; name the URL's with --url-column"
