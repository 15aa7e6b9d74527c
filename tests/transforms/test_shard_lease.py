"""A shard that an engine gives to two workers is the one's that began last."""

from dataclasses import replace
from pathlib import Path

import pytest

from facebeam.schemas.errors import RunError
from facebeam.schemas.values import ImageRequest
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.steps.leases import ShardLeases
from tests.helpers.journal_entries import REQUEST, answer, key_of
from tests.helpers.waiting import wait_until


def test_the_last_to_begin_has_the_shard(tmp_path: Path) -> None:
    """The older of two workers no longer holds a shard; another shard is not concerned."""
    leases = ShardLeases(str(tmp_path))
    older, beside = leases.take(0), leases.take(1)
    assert older.is_held()
    newer = leases.take(0)
    assert (older.is_held(), newer.is_held(), beside.is_held()) == (False, True, True)


def test_a_lease_that_cannot_be_read_is_held(tmp_path: Path) -> None:
    """A store that does not answer stops nobody."""
    lease = replace(ShardLeases(str(tmp_path)).take(0), path=str(tmp_path / "gone"))
    assert lease.is_held()


def test_a_worker_that_lost_its_shard_records_what_came_and_stops(tmp_path: Path) -> None:
    """The journal of the older worker writes what it has, and takes nothing more: its bundle fails."""
    leases = ShardLeases(str(tmp_path / "leases"))
    journal, lease = Journal(str(tmp_path / "journal")), leases.take(0)
    writer = journal.open(flush_every_s=0.05, may_go_on=lease.is_held).__enter__()
    writer.record(key_of(0), REQUEST, answer(0))
    wait_until(lambda: bool(list(journal.stored([key_of(0)]))))
    leases.take(0)
    wait_until(lambda: refuses(writer.record, key_of(1)))
    with pytest.raises(RunError, match="another worker has taken over this shard"):
        writer.close()
    assert [key for key, _ in journal.stored([key_of(0)])] == [key_of(0)]


def refuses(record: object, key: bytes) -> bool:
    """Tell whether a writer takes nothing more."""
    assert callable(record)
    try:
        record(key, ImageRequest("https://example.com/a.jpg"), answer(1))
    except RunError:
        return True
    return False
