"""Parquet manifests."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.tables import DEAD_LETTERS, with_manifest_columns
from facebeam.schemas.values import DeadLetter, ManifestRow, default_image_id
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestPart
from facebeam.transforms.manifest.read_records import read_records
from tests.helpers.manifests import URL, arrow_types, entries, letters, read, rows, write

NOT_UTF8 = pa.array([b"https://example.com/\xff.jpg"], pa.binary()).view(pa.string())


def type_of(value: object) -> str:
    """Name a parameter by its type in Arrow."""
    return str(value.type if isinstance(value, pa.Array) else value)


def parquet(path: Path, columns: dict[str, object], **options: object) -> Path:
    """Write a Parquet file."""
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.int8(), 7),
        (pa.uint64(), 2**64 - 1),
        (pa.float32(), 1.5),
        (pa.bool_(), False),
        (pa.string(), ""),
        (pa.large_string(), "größe"),
        (pa.binary(), b"\x00\xff"),
        (pa.date32(), date(2024, 2, 29)),
        (pa.timestamp("us", tz="UTC"), datetime(2024, 2, 29, 1, 2, 3, 4, UTC)),
        (pa.duration("us"), timedelta(microseconds=5)),
        (pa.decimal128(9, 2), Decimal("-1.25")),
        (pa.list_(pa.int32()), [1, None]),
        (pa.struct([("x", pa.int64())]), {"x": 1}),
        (pa.map_(pa.string(), pa.int64()), [("k", 1)]),
    ],
)
def test_types_are_kept(tmp_path: Path, kind: pa.DataType, value: object) -> None:
    """A column keeps the type and the values that it was written with, null included."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL, URL], "a": pa.array([value, None], kind)})
    (field,) = inspect_manifest([str(path)]).columns
    assert field.type == pq.read_schema(path).field("a").type
    assert [row.columns for row in rows(path)] == [(value,), (None,)]


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        (pa.array(["x", None]).dictionary_encode(), "string"),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["x", None])), "string"),
        (pa.nulls(2), "string"),
    ],
)
def test_stored_forms_become_plain_types(tmp_path: Path, stored: pa.Array, kind: str) -> None:
    """Dictionary, extension and all-null columns come out as the plain type of their values."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL, URL], "a": stored})
    assert arrow_types(path) == {"a": kind}
    assert [row.columns[0] for row in rows(path)] == pa.array(stored.to_pylist(), pa.string()).to_pylist()


@pytest.mark.parametrize(
    "urls",
    [
        pa.array([URL], pa.large_string()),
        pa.array([URL.encode()], pa.binary()),
        pa.array([URL]).dictionary_encode(),
    ],
)
@pytest.mark.parametrize(("ids", "image_id"), [(pa.array([17], pa.uint8()), "17"), (pa.array(["x"]), "x")])
def test_keys_may_be_stored_in_several_ways(
    tmp_path: Path, urls: pa.Array, ids: pa.Array, image_id: str
) -> None:
    """URLs may be stored as any kind of text, ids as text or integers."""
    path = parquet(tmp_path / "a.parquet", {"image_id": ids, "image_url": urls})
    assert rows(path) == [ManifestRow(URL, image_id)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"image_url": [1]}, "'image_url' is int64: URLs must be strings"),
        ({"image_url": [URL], "image_id": [1.0]}, "'image_id' is double"),
        ({"url": [URL]}, "--url-column url"),
        ({}, "no column 'image_url'"),
        ({"image_url": [URL], "face_index": [1]}, "column of the output"),
    ],
)
def test_bad_columns_are_refused(tmp_path: Path, columns: dict[str, object], reason: str) -> None:
    """A file with a missing, wrongly typed or reserved column is refused before the run starts."""
    path = parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(ManifestError, match=reason):
        inspect_manifest([str(path)])


def test_names_with_dots_are_no_paths(tmp_path: Path) -> None:
    """A column `s.x` beside a struct `s` is a column of its own, not a field of the struct."""
    path = parquet(tmp_path / "a.parquet", {"s": [{"x": 1, "y": 2}], "s.x": [3], "image_url": [URL]})
    assert rows(path)[0].columns == ({"x": 1, "y": 2}, 3)


def test_bad_rows_are_named_by_their_number(tmp_path: Path) -> None:
    """Null, blank, bad and non-UTF-8 URLs become dead letters with the row's number, across row groups."""
    urls = pa.concat_arrays([pa.array([URL, None, " ", "nowhere"]), NOT_UTF8, pa.array([URL])])
    path = parquet(tmp_path / "a.parquet", {"image_url": urls, "n": range(6)}, row_group_size=2)
    found = entries(inspect_manifest([str(path)]), part_bytes=1)
    bad = [entry for entry in found if isinstance(entry, DeadLetter)]
    assert [letter.row.columns for letter in bad] == [(1,), (2,), (3,), (4,)]
    for number, (letter, rule) in enumerate(
        zip(bad, ["not a URL", "not a URL", "no http", "not UTF-8"], strict=True), start=2
    ):
        assert letter.failure.message.startswith(f"{path}, row {number}: ")
        assert rule in letter.failure.message
    assert bad[-1].row.image_url == "https://example.com/\\udcff.jpg"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 3_000_000, 1], pa.date32()),
        pa.array([0, 2**58, 1], pa.timestamp("ms")),
        pa.array([0, 2**62, 1], pa.duration("ms")),
    ],
    ids=str,
)
def test_a_time_out_of_range_costs_its_row(tmp_path: Path, column: pa.Array) -> None:
    """A date or time out of range becomes a dead letter with row and rule; other rows keep their values."""
    urls = [f"https://example.com/{number}.jpg" for number in range(3)]
    first, bad, last = read(parquet(tmp_path / "a.parquet", {"image_url": urls, "when": column}))
    assert (first, last) == tuple(
        ManifestRow(urls[i], default_image_id(urls[i]), (column[i].as_py(),)) for i in (0, 2)
    )
    assert isinstance(bad, DeadLetter)
    assert "row 2: 'https://example.com/1.jpg' has a date or time that is out of range" in bad.failure.message


def test_bad_text_beside_the_url_costs_its_row(tmp_path: Path) -> None:
    """Text that is not UTF-8 in an own column becomes a dead letter too, since no table could hold it."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL], "a": NOT_UTF8})
    assert letters(path)[0].row.columns == ("https://example.com/\\udcff.jpg",)


def test_bad_text_deep_inside_costs_its_row(tmp_path: Path) -> None:
    """Text that is not UTF-8 inside a list or struct becomes a dead letter; the rows around it are read."""
    texts = pa.concat_arrays([pa.array(["x"]), NOT_UTF8, pa.array(["y"])])
    own = {
        "a": pa.ListArray.from_arrays([0, 1, 2, 3], texts),
        "b": pa.StructArray.from_arrays([texts], ["t"]),
    }
    for name, column in own.items():
        path = parquet(tmp_path / f"{name}.parquet", {"image_url": [URL] * 3, name: column})
        first, bad, last = read(path)
        assert isinstance(bad, DeadLetter)
        assert f"row 2: '{URL}' has a text that is not UTF-8 in column '{name}'" in bad.failure.message
        assert [type(first), type(last)] == [ManifestRow, ManifestRow]


@pytest.mark.parametrize(
    "urls",
    [
        pa.array([URL], pa.string_view()),
        pa.array([URL.encode()], pa.binary_view()),
        pa.array([URL.encode()], pa.large_binary()),
    ],
    ids=type_of,
)
@pytest.mark.parametrize(
    "ids",
    [
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([Decimal(2**64 - 1)], pa.decimal128(20, 0)),
        pa.array([2**64 - 1], pa.uint64()).dictionary_encode(),
        pa.array([str(2**64 - 1)], pa.string_view()),
        pa.array([str(2**64 - 1)]).dictionary_encode(),
        pa.array([str(2**64 - 1).encode()], pa.binary_view()),
    ],
    ids=type_of,
)
def test_ids_keep_every_digit(tmp_path: Path, urls: pa.Array, ids: pa.Array) -> None:
    """An id of 20 digits is the same text, whichever type of whole numbers or texts it is stored in."""
    path = parquet(tmp_path / "a.parquet", {"image_url": urls, "image_id": ids})
    assert rows(path) == [ManifestRow(URL, str(2**64 - 1))]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.float64(), 1.0),
        (pa.bool_(), True),
        (pa.date32(), date(2024, 2, 29)),
        (pa.decimal128(5, 2), Decimal("1.00")),
        (pa.list_(pa.string()), ["x"]),
        (pa.struct([("x", pa.int64())]), {"x": 1}),
        (pa.binary(16), b"0123456789abcdef"),
    ],
    ids=type_of,
)
def test_ids_of_other_types_are_refused(tmp_path: Path, kind: pa.DataType, value: object) -> None:
    """An id that is neither text nor whole number is refused before the run, with the column's type."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL], "image_id": pa.array([value], kind)})
    with pytest.raises(ManifestError, match=r"column 'image_id' is .*: make it a string or an integer"):
        inspect_manifest([str(path)])


UUID = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16)))
SHARED = pa.array(["x"]).dictionary_encode()


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        (pa.array(["x"], pa.string_view()), "string"),
        (pa.array([b"x"], pa.binary_view()), "binary"),
        (UUID, "fixed_size_binary[16]"),
        (pa.StructArray.from_arrays([UUID], ["d"]), "struct<d: fixed_size_binary[16]>"),
        (pa.ListArray.from_arrays([0, 1], SHARED), "list<element: string>"),
        (pa.FixedSizeListArray.from_arrays(SHARED, 1), "fixed_size_list<element: string>[1]"),
        (pa.LargeListArray.from_arrays([0, 1], SHARED), "large_list<element: string>"),
        (pa.MapArray.from_arrays([0, 1], pa.array(["k"]), SHARED), "map<string, string>"),
        (pa.array([1000], pa.time64("ns")), "time64[us]"),
    ],
    ids=type_of,
)
def test_stored_forms_become_plain_types_at_any_depth(tmp_path: Path, stored: pa.Array, kind: str) -> None:
    """Dictionaries, extensions and views come out as plain types, inside lists, structs and maps too."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL], "a": stored})
    assert arrow_types(path) == {"a": kind}
    (value,) = rows(path)[0].columns
    assert pa.array([value], inspect_manifest([str(path)]).columns.field("a").type).to_pylist() == [value]


def test_nanoseconds_of_a_time_of_day_cost_their_row(tmp_path: Path) -> None:
    """A time of day with nanoseconds, which would be lost, becomes a dead letter."""
    times = pa.array([1000, 1], pa.time64("ns"))
    good, bad = read(parquet(tmp_path / "a.parquet", {"image_url": [URL, URL], "at": times}))
    assert isinstance(good, ManifestRow)
    assert isinstance(bad, DeadLetter)
    assert "in column 'at' (time64[us])" in bad.failure.message


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), "has a null or an empty list"),
        (pa.array([[[1, 2], None]] * 2, pa.list_(pa.list_(pa.int8(), 2))), "has a null or an empty list"),
        (pa.array([0, 1], pa.int64()).cast(pa.timestamp("us", "Mars/Olympus")), "time zone is unknown"),
        (
            pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], ["d", "d"]),
            "which has two fields with the same name",
        ),
        (pa.array([[{"d": 1, "D": 2}]] * 2), "names that differ only in case: rename one of them"),
    ],
    ids=type_of,
)
def test_a_column_that_cannot_be_carried_is_refused(tmp_path: Path, column: pa.Array, reason: str) -> None:
    """A column whose values cannot be carried is refused before the run, and is not called damaged."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL, URL], "v": column})
    with pytest.raises(ManifestError, match=rf"a\.parquet: column 'v' is .*{reason}") as caught:
        inspect_manifest([str(path)])
    assert "damaged" not in str(caught.value)


def test_nulls_inside_lists_of_one_size_are_read(tmp_path: Path) -> None:
    """A list of a fixed size may hold nulls, as long as it is none itself."""
    column = pa.array([[1, None], [3, 4]], pa.list_(pa.int8(), 2))
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL, URL], "v": column})
    assert [row.columns for row in rows(path)] == [([1, None],), ([3, 4],)]


def test_dead_letters_are_a_manifest(tmp_path: Path) -> None:
    """A dead letter file is a valid manifest, whatever `--url-column` says; failure columns are dropped."""
    schema = with_manifest_columns(DEAD_LETTERS, pa.schema([("caption", pa.string())]))
    letter = dict.fromkeys(schema.names) | {
        "image_id": "x1",
        "image_url": URL,
        "caption": "a face",
        "raw_code": "timeout",
        "message": "no answer",
        "stage": "fetch",
        "attempts": 4,
        "maybe_billed": False,
        "retryable": True,
    }
    path = tmp_path / "part.parquet"
    pq.write_table(pa.Table.from_pylist([letter], schema=schema), path)
    manifest = inspect_manifest([str(path)], "photo")
    assert manifest.columns == pa.schema([("caption", pa.string())])
    assert entries(manifest) == [ManifestRow(URL, "x1", ("a face",))]


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -8, -300])
def test_truncated_file_stops_the_run(tmp_path: Path, keep: int) -> None:
    """A Parquet file that ends early is refused before the run starts."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [f"{URL}?{i}" for i in range(1000)]})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ManifestError, match=r"a\.parquet: cannot be read .*: the file is damaged"):
        inspect_manifest([str(path)])


def test_corrupt_row_group_stops_the_run(tmp_path: Path) -> None:
    """A damaged row group ends the run, and the message names the last row that was read correctly."""
    urls = [f"{URL}?{i * 7919 % 10007}" for i in range(10_000)]
    path = parquet(tmp_path / "a.parquet", {"image_url": urls}, row_group_size=5000, compression="zstd")
    content = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content[middle + 40 : middle + 400] = bytes(360)
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"a\.parquet, after row 5000: cannot be read"):
        read(path)


def test_rows_are_streamed(tmp_path: Path) -> None:
    """The first rows come out before the reader reaches a damaged row group."""
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL] * 20_000}, row_group_size=10_000)
    manifest = inspect_manifest([str(path)])
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    content[start : start + 30] = bytes(30)
    path.write_bytes(content)
    records = read_records(ManifestPart(manifest.files[0], 0, 2), manifest.columns)
    assert next(records).image_url == URL
    with pytest.raises(ManifestError, match="after row 10000"):
        list(records)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
            st.none() | st.lists(st.floats(allow_nan=False), max_size=3),
        ),
        max_size=20,
    ),
    st.integers(1, 7),
)
def test_what_arrow_writes_comes_back(table: list[tuple[object, ...]], row_group_size: int) -> None:
    """Any values come back in order, whatever the size of the row groups."""
    kinds = [pa.int64(), pa.string(), pa.list_(pa.float64())]
    own = {f"c{i}": pa.array([row[i] for row in table], kind) for i, kind in enumerate(kinds)}
    urls = pa.array([URL] * len(table), pa.string())
    with TemporaryDirectory() as folder:
        path = parquet(Path(folder) / "a.parquet", {"image_url": urls, **own}, row_group_size=row_group_size)
        assert rows(path) == [ManifestRow(URL, default_image_id(URL), row) for row in table]


def test_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A text file with the ending .parquet is refused."""
    with pytest.raises(ManifestError, match=r"is text, not parquet as its name says: rename it"):
        inspect_manifest([str(write(tmp_path / "a.parquet", f"image_url\n{URL}\n"))])


def test_large_rows_are_read_in_small_batches(tmp_path: Path) -> None:
    """A batch has few rows if they are large: 4,096 rows of one megabyte would not fit into memory."""
    blobs = [os.urandom(1 << 20) for _ in range(100)]
    columns = {"image_url": [URL] * 100, "a": blobs}
    path = parquet(tmp_path / "a.parquet", columns, use_dictionary=False, write_batch_size=1)
    (file,) = inspect_manifest([str(path)]).files
    before = pa.total_allocated_bytes()
    records = read_records(ManifestPart(file), pa.schema([("a", pa.binary())]))
    next(records)
    assert pa.total_allocated_bytes() - before < 64 << 20
    del records
    assert [row.columns for row in rows(path)] == [(blob,) for blob in blobs]


def test_a_file_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that stand for 20 GB end the run with the column and the size; no row is unpacked."""
    urls = [f"{URL}?{number}" for number in range(500)]
    note = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array(["x" * 40_000_000]))
    path = parquet(tmp_path / "wide.parquet", {"image_url": urls, "note": note}, compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ManifestError, match=r"wide.parquet: column 'note' unpacks to 16.8 GB in 419 rows"):
        read(path)


def test_values_that_are_stored_once_come_back(tmp_path: Path) -> None:
    """A column whose values repeat, and could swell, is read as it is where it has room."""
    captions = [f"{number % 3}" * 100_000 for number in range(3000)]
    path = parquet(tmp_path / "a.parquet", {"image_url": [URL] * 3000, "caption": captions})
    assert [row.columns for row in rows(path)] == [(caption,) for caption in captions]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_too_many_columns_are_refused(tmp_path: Path, name: str) -> None:
    """A manifest with 20,000 columns is refused before anything is read, in time that grows with its size."""
    names = ["image_url", *(f"key{number}" for number in range(20_000))]
    path = tmp_path / name
    match path.suffix:
        case ".csv":
            path.write_text(",".join(names) + "\n")
        case ".jsonl":
            path.write_text("".join(f'{{"image_url": "{URL}", "{key}": 1}}\n' for key in names[1:]))
        case _:
            parquet(path, {key: ["1"] for key in names})
    with pytest.raises(ManifestError, match=rf"{name}: has more than 1000 columns, such as 'key"):
        inspect_manifest([str(path)])
