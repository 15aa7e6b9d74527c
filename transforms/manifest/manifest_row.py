"""Turn a record into a row of the run, or into a dead letter that says what is wrong with it."""

from typing import Final

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.image_url import LOCAL_REFUSED, check_image_url
from facebeam.schemas.values import DeadLetter, Failure, ManifestRow, default_image_id
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.manifest.manifest_file import ManifestFile, Record

MAX_ID_CHARACTERS: Final = 512
MAX_SHOWN_CHARACTERS: Final = 8192
_AROUND: Final = " \t\r\n\ufeff"
"""Characters to remove around a URL. `cat a b` leaves a byte order mark in the middle of a file."""


def manifest_row(
    record: Record, file: ManifestFile, *, allow_local_files: bool = False
) -> ManifestRow | DeadLetter:
    """Check a record's URL and id."""
    url, image_id = record.image_url, record.image_id
    url = url.strip(_AROUND) if isinstance(url, str) else url
    flaw = record.flaw or _check_url(url, allow_local_files=allow_local_files) or _check_id(image_id)
    if flaw is None and isinstance(url, str):
        return ManifestRow(url, _identify(image_id, url), record.columns)
    return _dead_letter(record, file, flaw or "")


def _check_url(url: object, *, allow_local_files: bool) -> str | None:
    if isinstance(url, str):
        return check_image_url(url, allow_local_files=allow_local_files)
    if isinstance(url, dict):
        return "is not a string: write one object per image; in pandas to_json(orient='records', lines=True)"
    return (
        "is not a URL: write one or delete the row"
        if url is None
        else "is not a string: write the URL in quotes"
    )


def _check_id(image_id: object) -> str | None:
    if isinstance(image_id, bool) or not isinstance(image_id, str | int | None):
        return "has an image_id that is neither string nor integer: write it as a string"
    too_long = len(str(image_id)) > MAX_ID_CHARACTERS
    return f"has an image_id over {MAX_ID_CHARACTERS} characters: shorten it" if too_long else None


def _identify(image_id: object, url: str) -> str:
    return default_image_id(url) if image_id is None or image_id == "" else str(image_id)


def _dead_letter(record: Record, file: ManifestFile, flaw: str) -> DeadLetter:
    """Make the dead letter of a bad record, with only texts that Parquet can store."""
    text = _shown(record.image_url)
    image_id = None if _check_id(record.image_id) else _writable(record.image_id)
    row = ManifestRow(
        text,
        _identify(image_id, text),
        tuple(_writable(value) for value in record.columns),
    )
    message = f"{file.place(record.number)}: {_named(text)!r} {flaw}"
    code = ErrorCode.LOCAL_FILE_NOT_ALLOWED if flaw == LOCAL_REFUSED else ErrorCode.INVALID_MANIFEST_ROW
    return DeadLetter(row, Failure(code, _utf8(message), stage="manifest"))


def _named(text: str) -> str:
    """Show a text as a URL without its secrets; a # at its beginning starts a comment, not a fragment."""
    rest = text.lstrip("# ")
    return text[: len(text) - len(rest)] + shown_url(rest)


def _shown(url: object) -> str:
    """Limit the text. A text that was cut stays longer than a URL may be, so a replay refuses it too."""
    text = "" if url is None else _utf8(str(url))
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"


def _writable(value: object) -> object:
    return _utf8(value) if isinstance(value, str) else value


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
