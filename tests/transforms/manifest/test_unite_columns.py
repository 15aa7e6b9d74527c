"""Columns of several files, whose types differ: each value comes back, or the manifest is refused."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError
from tests.helpers.manifests import URL, rows, write

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


def whole_numbers(kind: pa.DataType) -> list[object]:
    """Give the ends of an integer type, and what a float of either size just holds or loses."""
    bits = kind.bit_width
    low, high = (
        (0, 2**bits - 1) if pa.types.is_unsigned_integer(kind) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    numbers = [low, high, 0, 2**11 + 1, 2**24 + 1, 2**53, 2**53 + 1, 1578123456789012345]
    return [number for number in numbers if low <= number <= high]


SAMPLES: dict[pa.DataType, list[object]] = {kind: whole_numbers(kind) for kind in INTEGERS} | {
    pa.null(): [None],
    pa.bool_(): [True, False],
    pa.float16(): [1.5, -65504.0],
    pa.float32(): [1.5, 3.4028234663852886e38],
    pa.float64(): [0.1, 5e-324, 1e300],
    pa.string(): ["", "ü"],
    pa.large_string(): ["ü"],
    pa.string_view(): ["ü"],
    pa.dictionary(pa.int8(), pa.string()): ["ü"],
    pa.binary(): [b"\xff"],
    pa.large_binary(): [b"\xff"],
    pa.binary_view(): [b"\xff"],
    pa.binary(3): [b"abc"],
    pa.binary(4): [b"abcd"],
    pa.date32(): [date(1, 1, 1), date(9999, 12, 31)],
    pa.date64(): [date(1, 1, 1), date(9999, 12, 31)],
    pa.time32("s"): [time(23, 59, 59)],
    pa.time32("ms"): [time(23, 59, 59, 999000)],
    pa.time64("us"): [time(23, 59, 59, 999999)],
    pa.time64("ns"): [time(23, 59, 59, 999999)],
    pa.timestamp("s"): [datetime(9999, 12, 31)],  # noqa: DTZ001 - a time without a zone
    pa.timestamp("ms"): [datetime(2024, 2, 29, 1, 2, 3, 4000)],  # noqa: DTZ001
    pa.timestamp("us"): [datetime(1, 1, 1)],  # noqa: DTZ001
    pa.timestamp("ns"): [datetime(2024, 2, 29, 1, 2, 3, 4)],  # noqa: DTZ001
    pa.timestamp("us", "UTC"): [datetime(2024, 2, 29, tzinfo=UTC)],
    pa.timestamp("ns", "Europe/Berlin"): [datetime(2024, 2, 29, tzinfo=UTC)],
    pa.duration("s"): [timedelta(days=200_000)],
    pa.duration("us"): [timedelta(microseconds=1)],
    pa.duration("ns"): [timedelta(microseconds=1)],
    pa.decimal128(5, 2): [Decimal("999.99"), Decimal("-0.10")],
    pa.decimal128(31, 30): [Decimal("1.123456789012345678901234567890")],
    pa.decimal128(38, 0): [Decimal(10**38 - 1)],
    pa.decimal256(76, 3): [Decimal(10**73 - 1)],
    pa.list_(pa.int8()): [[1, None], []],
    pa.list_(pa.int64()): [[2**53 + 1]],
    pa.list_(pa.float64()): [[0.1]],
    pa.large_list(pa.uint64()): [[2**64 - 1]],
    pa.list_(pa.int8(), 2): [[1, 2]],
    pa.list_(pa.string_view()): [["ü"]],
    pa.struct([("x", pa.int64())]): [{"x": 2**53 + 1}],
    pa.struct([("x", pa.float64())]): [{"x": 0.1}],
    pa.map_(pa.string(), pa.int8()): [[("k", 1)]],
    pa.map_(pa.string(), pa.float32()): [[("k", 0.5)]],
}
"""Types that Parquet can hold, with values at their ends."""


def parquet(path: Path, kind: pa.DataType, values: list[object]) -> Path:
    """Write a file with a column `a` of a type."""
    pq.write_table(pa.table({"image_url": [URL] * len(values), "a": pa.array(values, kind)}), path)
    return path


def inspect(paths: Iterable[Path]) -> tuple[str, pa.Schema]:
    """Give why a manifest is refused, or its own columns."""
    try:
        return "", inspect_manifest(map(str, paths)).columns
    except ManifestError as error:
        return str(error), pa.schema([])


def test_each_value_comes_back_or_both_types_are_named(tmp_path: Path) -> None:
    """Of any two types, each value equals the one in the tables, or the refusal names the column and both."""
    paths = {
        kind: parquet(tmp_path / f"{i}.parquet", kind, values)
        for i, (kind, values) in enumerate(SAMPLES.items())
    }
    united = set()
    for pair in combinations(SAMPLES, 2):
        refusal, columns = inspect([paths[kind] for kind in pair])
        if refusal:
            assert all(str(paths[kind]) in refusal for kind in pair)
            assert "column 'a' is " in refusal
        else:
            united.add(frozenset(pair))
            found = [row.columns[0] for row in rows(*(paths[kind] for kind in pair))]
            assert found == [value for kind in pair for value in SAMPLES[kind]], pair
            assert pa.array(found, columns.field("a").type).to_pylist() == found, pair
    assert len(united) > 2 * len(SAMPLES)


def test_a_footer_without_ranges_decides_nothing(tmp_path: Path) -> None:
    """Small integers beside floats are united by the ranges in the footer, and refused without them."""
    floats = parquet(tmp_path / "floats.parquet", pa.float64(), [0.5])
    whole = parquet(tmp_path / "whole.parquet", pa.int64(), [2**53, None, -(2**53)])
    assert [row.columns for row in rows(floats, whole)] == [
        (0.5,),
        (float(2**53),),
        (None,),
        (-float(2**53),),
    ]
    pq.write_table(pq.read_table(whole), whole, write_statistics=False)
    with pytest.raises(ManifestError, match=r"column 'a' is double in .* but int64 in "):
        inspect_manifest(map(str, (floats, whole)))


@pytest.mark.parametrize(
    ("kinds", "values", "united"),
    [
        ((pa.uint64(), pa.int64()), ([2**63 - 1], [-1]), True),
        ((pa.uint64(), pa.int64()), ([2**63], [-1]), False),
        ((pa.uint32(), pa.float32()), ([2**24], [0.5]), True),
        ((pa.timestamp("ms"), pa.timestamp("ns")), ([datetime(2262, 1, 1)], [datetime(2024, 1, 1)]), True),  # noqa: DTZ001
        ((pa.timestamp("ms"), pa.timestamp("ns")), ([datetime(2263, 1, 1)], [datetime(2024, 1, 1)]), False),  # noqa: DTZ001
        ((pa.duration("s"), pa.duration("ns")), ([timedelta(1)], [timedelta(0)]), True),
        ((pa.int64(), pa.float64()), ([None], [0.5]), True),
        ((pa.int64(), pa.float64()), ([], [0.5]), True),
    ],
    ids=str,
)
def test_values_decide_where_types_do_not(
    tmp_path: Path,
    kinds: tuple[pa.DataType, pa.DataType],
    values: tuple[list[object], list[object]],
    united: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Types of which none holds the other's are united if the values of these files have room."""
    paths = [parquet(tmp_path / f"{i}.parquet", kinds[i], values[i]) for i in range(2)]
    if united:
        assert [row.columns[0] for row in rows(*paths)] == [*values[0], *values[1]]
    else:
        with pytest.raises(ManifestError, match="no type holds the values of both"):
            inspect_manifest(map(str, paths))


def test_a_column_with_a_dot_is_not_a_field(tmp_path: Path) -> None:
    """The range of a field `x` of a struct `s` is not taken for that of a column `s.x`."""
    own = {"image_url": [URL], "s": [{"x": 1}], "s.x": [2**53 + 1]}
    pq.write_table(pa.table(own), tmp_path / "a.parquet")
    pq.write_table(pa.table({"image_url": [URL], "s.x": [0.5]}), tmp_path / "b.parquet")
    with pytest.raises(ManifestError, match=r"column 's\.x' is int64"):
        inspect_manifest([f"{tmp_path}/*.parquet"])


def test_a_field_that_only_one_file_has_is_null(tmp_path: Path) -> None:
    """Structs grow by each other's fields, as rows do by columns."""
    paths = [
        parquet(tmp_path / f"{name}.parquet", pa.struct([(name, pa.int8())]), [{name: 1}])
        for name in ("x", "y")
    ]
    assert [row.columns for row in rows(*paths)] == [({"x": 1, "y": None},), ({"x": None, "y": 1},)]


def test_fields_that_together_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    """Spark reads no table with such a struct."""
    paths = [
        parquet(tmp_path / f"{name}.parquet", pa.struct([(name, pa.int8())]), [{name: 1}])
        for name in ("x", "X")
    ]
    refusal, _ = inspect(paths)
    assert "column 'a' is struct<x: int8> in " in refusal


def test_formats_are_united_by_the_same_rule(tmp_path: Path) -> None:
    """Integers of a jsonl go with floats of a Parquet up to 2^53, and JSON texts with any texts."""
    floats = parquet(tmp_path / "floats.parquet", pa.float64(), [0.5])
    whole = write(tmp_path / "whole.jsonl", f'{{"image_url": "{URL}", "a": {2**53}}}')
    assert [row.columns for row in rows(floats, whole)] == [(0.5,), (float(2**53),)]
    wide = write(tmp_path / "wide.jsonl", f'{{"image_url": "{URL}", "a": {2**53 + 1}}}')
    with pytest.raises(ManifestError, match=r"column 'a' is double in .* but int64 in .*wide.jsonl"):
        inspect_manifest(map(str, (floats, wide)))
    texts = write(tmp_path / "texts.csv", f"image_url,a\n{URL},007\n")
    mixed = write(tmp_path / "mixed.jsonl", f'{{"image_url": "{URL}", "a": [1]}}')
    assert [row.columns for row in rows(texts, mixed)] == [("007",), ("[1]",)]
    decimals = parquet(tmp_path / "decimals.parquet", pa.decimal128(21, 2), [Decimal("0.50")])
    assert [row.columns for row in rows(decimals, wide)] == [(Decimal("0.50"),), (2**53 + 1,)]
    columns = inspect_manifest(map(str, (decimals, wide))).columns
    assert pa.array([2**53 + 1], columns.field("a").type).to_pylist() == [2**53 + 1]
