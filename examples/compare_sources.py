"""Annotate the example's photographs with the API source too: `python examples/compare_sources.py OUTPUT`.

`facebeam serve` stands in for the web API, so that nothing is paid for, and downloads the photographs by URL.
Then the script compares both runs, and makes a report of them: its last line says where the report is.
"""

import csv
import os
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

FACEBEAM = str(Path(sys.executable).with_name("facebeam"))
PHOTOS = Path(".photos")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main(local: Path) -> None:
    """Annotate the photographs with the API source, and compare the result with the run in OUTPUT."""
    output = local / "by_api"
    with _photographs() as photos, _service() as service:
        output.mkdir()
        manifest = output / "urls.csv"
        _write_manifest(manifest, photos)
        flags = ["--base-url", service, "--allow-private-urls", "--rate", "20", "--output", str(output)]
        command = [FACEBEAM, "annotate", "--source", "api", "--manifest", str(manifest), *flags]
        token = {"ACEDATACLOUD_API_TOKEN": "any"}  # the stand-in accepts every token
        subprocess.run(command, check=True, env=os.environ | token)  # noqa: S603 - our own console script
    both = ["--output", str(local), "--with-output", str(output), "--key", "image_id"]
    for name in ("compare", "report"):
        subprocess.run([FACEBEAM, name, *both], check=True)  # noqa: S603 - as above


@contextmanager
def _photographs() -> Iterator[str]:
    """Serve the photographs on this machine; give the server's address."""
    handler = partial(_Quiet, directory=str(PHOTOS))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _service() -> Iterator[str]:
    """Start `facebeam serve`, give the address that it prints, and stop it afterwards."""
    command = [FACEBEAM, "serve", "--port", "0", "--allow-private-urls"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - as above
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        line = process.stderr.readline()
        Thread(target=process.stderr.read, daemon=True).start()  # an unread pipe would fill up
        try:
            yield line.split("POST ")[1].split("/face/analyze")[0]
        finally:
            process.terminate()


def _write_manifest(path: Path, photos: str) -> None:
    """List the demo's photographs by URL, under the ids that they have in the demo's own manifest."""
    with Path("examples/photos.csv").open(newline="") as file:
        listed = csv.DictReader(file)
        rows = [row for row in listed if Path(row["image_url"]).is_relative_to(PHOTOS)]
    rows = [row for row in rows if Path(row["image_url"]).exists()]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "image_url"])
        writer.writerows([row["image_id"], f"{photos}/{Path(row['image_url']).name}"] for row in rows)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the --output of a committed run")
    chosen = parser.parse_args().output
    if not (chosen / "images").is_dir():
        parser.error(f"{chosen} has no table of images: give the --output of a committed run")
    main(chosen)
