"""The Arrow types in which values travel through a run and are written."""

from typing import Final

import pyarrow as pa


def plain_type(stored: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one for each way to nest
    """Give the type of the values themselves, at any depth: without dictionary, extension or view.

    A dictionary's index type holds the values of one file, not of a run. A time of day is one of Python's, in
    microseconds.

    >>> plain_type(pa.list_(pa.dictionary(pa.int8(), pa.string_view())))
    ListType(list<item: string>)
    """
    if isinstance(stored, pa.BaseExtensionType):
        return plain_type(stored.storage_type)
    if pa.types.is_dictionary(stored):
        return plain_type(stored.value_type)
    if pa.types.is_struct(stored):
        return pa.struct([_plain_field(field) for field in stored])
    if pa.types.is_map(stored):
        return pa.map_(_plain_field(stored.key_field), _plain_field(stored.item_field), stored.keys_sorted)
    if pa.types.is_fixed_size_list(stored):
        return pa.list_(_plain_field(stored.value_field), stored.list_size)
    if pa.types.is_list(stored):
        return pa.list_(_plain_field(stored.value_field))
    if pa.types.is_large_list(stored):
        return pa.large_list(_plain_field(stored.value_field))
    return _PLAIN.get(stored, stored)


def flaw_of_type(plain: pa.DataType) -> str | None:
    """Say why no row could have a value of a type, and the cure; None for nearly every type."""
    if pa.types.is_struct(plain) and len({field.name for field in plain}) < plain.num_fields:
        return "with two fields of one name: rename one of them"
    try:
        pa.array([], plain)
        if pa.types.is_timestamp(plain):
            pa.scalar(0, plain).as_py()
    except KeyError:
        return "whose time zone is unknown on this machine: write the column in UTC"
    except pa.ArrowNotImplementedError:
        return "which cannot be written: write the column in another type"
    flaws = (flaw_of_type(plain.field(i).type) for i in range(plain.num_fields))
    return next((flaw for flaw in flaws if flaw), None)


def _plain_field(stored: pa.Field) -> pa.Field:
    return stored.with_type(plain_type(stored.type))


_PLAIN: Final = {
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
    pa.time64("ns"): pa.time64("us"),
}
