"""Make a manifest of the rows of earlier runs in which no face was found, to run them again."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebeam.schemas.manifest_columns import ID_COLUMN, URL_COLUMN
from facebeam.schemas.tables import DEAD_LETTERS, IMAGES, manifest_columns
from facebeam.schemas.values import Outcome
from facebeam.transforms.files.any_store import reading, writing


def write_no_face_rows(images: Sequence[str], manifest: str) -> int:
    """Copy the rows with outcome `no_face` from files of the table `images` into a manifest.

    Shape: files of the table `images` -> one Parquet file with `image_id`, `image_url` and the manifest's own
    columns, in the same form as dead letters

    Returns:
        The number of rows; if it is 0, no file is written.

    Raises:
        RunError: a file cannot be read, or the manifest cannot be written.
    """
    found = [rows for rows in map(_no_face_rows, images) if rows.num_rows]
    if not found:
        return 0
    rows = pa.concat_tables(found)
    with writing(manifest) as file:
        pq.write_table(rows, file)
    return int(rows.num_rows)


def _no_face_rows(path: str) -> pa.Table:
    with reading(path) as file:
        # Read in this thread only: a thread of Arrow must not hold a Python file when the process ends.
        table = pq.read_table(file, use_threads=False, pre_buffer=False)
    own = manifest_columns(table.schema, IMAGES).names
    chosen = table.filter(pc.equal(table["outcome"], Outcome.NO_FACE.value))
    return chosen.select([ID_COLUMN, URL_COLUMN, *own]).replace_schema_metadata(DEAD_LETTERS.metadata)
