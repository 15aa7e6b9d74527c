"""jsonl manifests: their rows, and the types of their columns."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.values import DeadLetter, ManifestRow, default_image_id
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError
from tests.helpers.manifests import URL, arrow_types, letters, read, rows, write

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("k"), inner)
)


def objects(path: Path, *values: object) -> Path:
    """Write one object per value, with the value as its own column `a`; `...` leaves `a` out."""
    lines = (json.dumps({"image_url": URL} | ({} if value is ... else {"a": value})) for value in values)
    return write(path, "\n".join(lines))


def test_an_object_a_line(tmp_path: Path) -> None:
    """Each line is an object, with URL and id as keys like the others.

    An id that is an integer becomes its text; null and '' become the default id.
    """
    lines = [
        {"image_url": URL, "image_id": 17, "a": 1},
        {"a": 2, "image_id": None, "image_url": f" {URL} "},
        {"image_url": URL, "image_id": "", "a": None},
        {"image_url": URL, "image_id": "x"},
    ]
    path = write(tmp_path / "a.jsonl", "\r\n\r\n".join(map(json.dumps, lines)))
    digest = default_image_id(URL)
    assert rows(path) == [
        ManifestRow(URL, "17", (1,)),
        ManifestRow(URL, digest, (2,)),
        ManifestRow(URL, digest, (None,)),
        ManifestRow(URL, "x", (None,)),
    ]


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([True, False, None], "bool", [True, False, None]),
        ([1, -(2**63), 2**63 - 1], "int64", [1, -(2**63), 2**63 - 1]),
        ([1, 2.5, ...], "double", [1.0, 2.5, None]),
        (["x", "", None], "string", ["x", "", None]),
        ([None, ...], "string", [None, None]),
        ([[1], {"k": "ü"}, None], "string", ["[1]", '{"k": "ü"}', None]),
        (["x", 1, True], "string", ['"x"', "1", "true"]),
        ([True, 1], "string", ["true", "1"]),
        ([2**63], "string", [str(2**63)]),
        ([2**53 + 1, 0.5], "string", [str(2**53 + 1), "0.5"]),
    ],
)
def test_column_has_the_narrowest_type_without_loss(
    tmp_path: Path, values: list[object], kind: str, read: list[object]
) -> None:
    """A column has the narrowest type that holds all its values without loss.

    Values that fit no common type become JSON text, in which strings have quotes.
    """
    path = objects(tmp_path / "a.jsonl", *values)
    assert arrow_types(path) == {"a": kind}
    found = [row.columns[0] for row in rows(path)]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in read]


def test_late_column_is_found(tmp_path: Path) -> None:
    """A column that only the last of many lines has is found."""
    early, late = f'{{"image_url": "{URL}"}}\n', f'{{"image_url": "{URL}", "late": 1}}'
    path = write(tmp_path / "a.jsonl", early * 5000 + late)
    assert arrow_types(path) == {"late": "int64"}
    assert rows(path)[-1].columns == (1,)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"image_url": "https://example.com/a.jpg"', "not JSON"),
        ('{"image_url": "https://example.com/a.jpg", "a": 1e9999999999999999999}', "not JSON"),
        ('{"image_url": "https://example.com/a.jpg", "image_url": "b"}', "the key 'image_url' comes twice"),
        ('{"image_url": "https://example.com/a.jpg", "a": {"b": 1, "b": 2}}', "the key 'b' comes twice"),
        ('{"image_url": "https://example.com/a.jpg", "a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"image_url": "https://example.com/a.jpg", "a": ' + "[" * 100_000, "not JSON"),
        ('{"image_url": "https://example.com/a.jpg", "a": ' + "[" * 101 + "]" * 101 + "}", "deeper than 100"),
        ('{"image_url": "https://example.com/\\udcff.jpg"}', "rename the file"),
        ('{"image_url": "https://example.com/a.jpg", "a": "\\ud83d"}', "without its other half"),
        ('{"image_url": null}', "not a URL"),
        ('{"image_url": " "}', "not a URL"),
        ('{"image_url": 17}', "not a string"),
        ('{"image_url": {"0": "https://example.com/a.jpg"}}', "to_json(orient='records', lines=True)"),
        ('{"image_url": ["https://example.com/a.jpg"]}', "not a string"),
        ('{"image_url": "https://example.com/a.jpg", "image_id": 1.5}', "neither string nor integer"),
        ('{"image_url": "https://example.com/a.jpg", "image_id": true}', "neither string nor integer"),
        ('{"image_url": "https://example.com/a.jpg", "image_id": "' + "x" * 513 + '"}', "over 512"),
    ],
)
def test_bad_line_is_a_dead_letter(tmp_path: Path, line: str, rule: str) -> None:
    """A line that is not an object with a URL becomes a dead letter with line and rule, fit for Parquet."""
    path = write(tmp_path / "a.jsonl", f"\n{line}\n")
    (letter,) = letters(path)
    assert letter.failure.message.startswith(f"{path}:2: ")
    assert rule in letter.failure.message
    pa.array([letter.row.image_url, letter.row.image_id, letter.failure.message], pa.string())


@pytest.mark.parametrize(
    ("line", "rule"), [(URL, "not JSON"), (f'["{URL}"]', "not an object"), (f'"{URL}"', "not an object")]
)
def test_a_line_that_is_no_object_is_a_dead_letter(tmp_path: Path, line: str, rule: str) -> None:
    """A line that is text, a list or a string, among objects, becomes a dead letter with line and rule."""
    path = write(tmp_path / "a.jsonl", f'{line}\n{{"image_url": "{URL}"}}\n')
    bad, good = read(path)
    assert isinstance(bad, DeadLetter)
    assert bad.failure.message.startswith(f"{path}:1: ")
    assert rule in bad.failure.message
    assert isinstance(good, ManifestRow)


def test_marks_that_cat_leaves_are_skipped(tmp_path: Path) -> None:
    """The byte order mark of a file that was appended to another does not cost its first row."""
    line = f'\ufeff{{"image_url": "{URL}"}}\n'
    path = write(tmp_path / "a.jsonl", f"{line}{line}\ufeff\n")
    assert [row.image_url for row in rows(path)] == [URL, URL]


@pytest.mark.parametrize("content", [f"image_url,a\n{URL},x\n", f"{URL}\n", f'["{URL}"]\n'])
def test_a_file_without_any_object_is_refused(tmp_path: Path, content: str) -> None:
    """A csv or txt with the ending .jsonl is refused before the run."""
    path = write(tmp_path / "a.jsonl", content)
    with pytest.raises(ManifestError, match=r"a\.jsonl: none of its lines begins with {"):
        inspect_manifest([str(path)])


def test_python_constants_do_not_cost_the_image(tmp_path: Path) -> None:
    """NaN, which Python writes for a missing value, is null; Infinity is a float."""
    lines = [f'{{"image_url": "{URL}", "image_id": NaN, "a": {a}}}' for a in ("NaN", "-Infinity", "1")]
    path = write(tmp_path / "a.ndjson", "\n".join(lines))
    assert arrow_types(path) == {"a": "double"}
    digest = default_image_id(URL)
    assert rows(path) == [ManifestRow(URL, digest, (value,)) for value in (None, float("-inf"), 1.0)]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("0.1", 0.1),
        ("0.10000000000000001", 0.1),
        ("0.10000000000000000555", 0.1),
        ("12.340000000000000000", 12.34),
        ("-0.0", -0.0),
        ("1E5", 1e5),
        ("0.33333333333333333333", "0.33333333333333333333"),
        ("1.123456789012345678901234567890", "1.123456789012345678901234567890"),
        ("1e999", "1E+999"),
        ("1e-999", "1E-999"),
        ('{"k": [0.33333333333333333333, "ü"]}', '{"k": [0.33333333333333333333, "ü"]}'),
    ],
)
def test_numbers_keep_their_digits(tmp_path: Path, number: str, kept: object) -> None:
    """A number with digits or a size that no float has is kept as text; others are floats."""
    path = write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}", "a": {number}}}')
    assert rows(path)[0].columns == (kept,)


@given(st.lists(VALUES, min_size=1, max_size=4), st.lists(VALUES, max_size=4))
def test_several_files_are_read_as_one(first: list[object], second: list[object]) -> None:
    """Objects in two files have the types and values that they would have in one."""
    with TemporaryDirectory() as folder:
        parts = [objects(Path(folder) / f"{i}.jsonl", *values) for i, values in enumerate((first, second))]
        whole = objects(Path(folder) / "whole.jsonl", *first, *second)
        assert inspect_manifest(map(str, parts)).columns.equals(inspect_manifest([str(whole)]).columns, True)  # noqa: FBT003 - pyarrow's own
        found, expected = rows(*parts), rows(whole)
    assert [repr(row) for row in found] == [repr(row) for row in expected]


def test_object_without_a_url_is_a_dead_letter(tmp_path: Path) -> None:
    """An object without the URL key that other lines have becomes a dead letter with its id and columns."""
    path = write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}"}}\n{{"a": 1, "image_id": "x1"}}')
    _, letter = read(path)
    assert isinstance(letter, DeadLetter)
    assert letter.row == ManifestRow("", "x1", (1,))
    assert "not a URL" in letter.failure.message


def test_bad_bytes_are_a_dead_letter(tmp_path: Path) -> None:
    """A line in Latin-1, which is not UTF-8, becomes a dead letter."""
    (letter,) = letters(
        write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}", "a": "gr\xf6\xdfe"}}'.encode("latin-1"))
    )
    assert "not UTF-8" in letter.failure.message


def test_emoji_in_escapes_are_fine(tmp_path: Path) -> None:
    """A pair of escaped surrogates is read as one character."""
    path = write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}", "a": "\\ud83d\\ude00"}}')
    assert rows(path)[0].columns == ("😀",)


def test_nesting_up_to_the_limit_passes(tmp_path: Path) -> None:
    """A hundred levels of nesting, the object itself included, are accepted; lists side by side add none."""
    nested = "[" * 99 + "]" * 99
    line = f'{{"image_url": "{URL}", "a": {nested}, "b": [{"[]," * 200}[]]}}'
    assert rows(write(tmp_path / "a.jsonl", line))[0].columns[0] == nested


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_what_json_writes_comes_back(values: list[object]) -> None:
    """Any JSON values come back as themselves, or as JSON text if the column's metadata says so."""
    with TemporaryDirectory() as folder:
        path = objects(Path(folder) / "a.jsonl", *values)
        (field,) = inspect_manifest([str(path)]).columns
        found = [row.columns[0] for row in rows(path)]
    as_json = field.metadata == {b"facebeam.json": b"true"}
    assert pa.array(found, field.type).to_pylist() == found
    assert [json.loads(str(value)) if as_json and value is not None else value for value in found] == values
