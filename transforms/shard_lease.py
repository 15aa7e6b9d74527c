"""Which worker has a shard: the one that began last. An engine may give it to two, and each would ask."""

from dataclasses import dataclass
from uuid import uuid4

from schemas.errors import RunError
from transforms.output_files import read_bytes, writing


@dataclass(frozen=True)
class ShardLeases:
    """A folder with a file for each shard; a description that can be pickled.

    No store has to know locks or conditional writes: a worker writes its name into the file when it begins,
    and stops when it finds another name there. The journal's thread looks every few seconds.

    Args:
        folder: below the run's staging folder.
    """

    folder: str

    def take(self, shard: int) -> "ShardLease":
        """Take a shard; whoever has it now will stop."""
        lease = ShardLease(f"{self.folder}/shard={shard:03d}", uuid4().hex)
        with writing(lease.path) as file:
            file.write(lease.owner.encode())
        return lease


@dataclass(frozen=True)
class ShardLease:
    """A shard that this worker has."""

    path: str
    owner: str

    def is_held(self) -> bool:
        """Tell whether nobody has taken the shard since; a file that cannot be read is no proof of that."""
        try:
            return read_bytes(self.path) in {self.owner.encode(), b""}
        except RunError:
            return True
