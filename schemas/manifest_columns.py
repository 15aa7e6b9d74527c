"""Check the names of a manifest's columns."""

import re
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from facebeam.schemas.tables import RESERVED_COLUMNS

URL_COLUMN: Final = "image_url"
ID_COLUMN: Final = "image_id"
MOST_COLUMNS: Final = 1000
"""Each column becomes a column of all three tables. With more columns, writing a table needs gigabytes."""

_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff=/]")


def check_column_names(names: Sequence[str], url_column: str) -> str | None:
    """Tell what is wrong with the names of a manifest's columns, and the cure; None if they are valid.

    >>> check_column_names(["Image_URL", "caption"], "image_url")
    "has no column 'image_url': rename 'Image_URL', or give --url-column Image_URL"
    """
    if len(names) > MOST_COLUMNS:
        return (
            f"has more than {MOST_COLUMNS} columns, such as {names[-1][:80]!r}: combine some of them, "
            "for example as one object in a .jsonl"
        )
    missing = None if url_column in names else f"has no column {url_column!r}: {_cure(names, url_column)}"
    return _check_spelling(names) or _check_twice(names) or missing or _check_own(names, url_column)


def own_columns(names: Sequence[str], url_column: str) -> list[str]:
    """Keep the columns that are copied to the tables: all except the URL column and `image_id`."""
    return [name for name in names if name not in {url_column, ID_COLUMN}]


def _check_spelling(names: Sequence[str]) -> str | None:
    if names and not names[0]:
        return "has a first column without a name, like pandas' index: use to_csv(..., index=False)"
    if "" in names:
        return f"has a column named '' after {names[names.index('') - 1]!r}: give it a name, or delete it"
    bad = next((name for name in names if _FORBIDDEN.search(name)), None)
    if bad is None:
        return None
    return f"has a column named {bad!r}: a name must be UTF-8, without control characters, '=' or '/'"


def _check_twice(names: Sequence[str]) -> str | None:
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else f"has two columns {twice!r}: rename one of them"


def _check_own(names: Sequence[str], url_column: str) -> str | None:
    """Compare own columns with the tables' and with each other. Ignore case, as Spark and DuckDB do."""
    output = {name.lower() for name in RESERVED_COLUMNS}
    seen: dict[str, str] = {}
    for name in own_columns(names, url_column):
        if name == URL_COLUMN:
            return f"has {name!r} besides --url-column {url_column}: leave out the flag, or delete one column"
        if name.lower() in output:
            way = "is" if name in RESERVED_COLUMNS else "except for its case is"
            return f"has a column {name!r}, which {way} a column of the output: rename it"
        other = seen.setdefault(name.lower(), name)
        if other != name:
            return f"has columns {other!r} and {name!r}, which differ only in case: rename one of them"
    return None


def _cure(names: Sequence[str], url_column: str) -> str:
    """Suggest the column that the user probably means."""
    spelt = {name.lower(): name for name in names}
    near = get_close_matches(url_column.lower(), spelt, n=1, cutoff=0.4)
    if near:
        return f"rename {spelt[near[0]]!r}, or give --url-column {shlex.quote(spelt[near[0]])}"
    return f"it has {', '.join(map(repr, names))[:200] or 'none'}; give the column of URLs with --url-column"
