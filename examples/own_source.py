"""Annotate a manifest by another vendor's API, whose faces have 106 points.

The vendor is made up. It takes POST {"image_url": ..., "max_faces": ...} with a key, and answers
{"width": 640, "height": 480, "request_id": "...", "faces": [[[x, y], ... 106 times], ...]}. For a real one
change `OpenVendor.attempt` and `PLACES`. Everything behind the source stays as it is: duplicates, retries,
journal, tables, commit.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import apache_beam as beam
import numpy as np
import requests
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from numpy.typing import NDArray

from facebeam.pipelines.annotate_manifest import Run, build
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.layout import Layout
from facebeam.schemas.values import MAX_FACES, Face, Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.api.fit_to_send import check_fit_to_send
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.sources.face_source import FaceSource, OpenSource

KEY_VARIABLE: Final = "VENDOR_KEY"
MODEL: Final = "vendor-106-v1"


def _contour(landmark: int) -> tuple[int, ...]:
    """Place landmark 0 to 20 among the vendor's contour of 33 points, of which each step covers 1.6."""
    before, fifths = divmod(8 * landmark, 5)
    return (before,) * (5 - fifths) + (before + 1,) * fifths


PLACES: Final[dict[str, list[tuple[int, ...]]]] = {
    "face_profile": [_contour(landmark) for landmark in range(21)],
    "left_eye": [(52,), (57,), (73,), (56,), (55,), (54,), (72,), (53,)],
    "right_eye": [(61,), (62,), (76,), (63,), (58,), (59,), (75,), (60,)],
    "left_eye_brow": [(33,), (64,), (65,), (66,), (37, 67), (36,), (35,), (34,)],
    "right_eye_brow": [(42,), (71,), (70,), (69,), (38, 68), (39,), (40,), (41,)],
    "mouth": [
        *((84,), (95,), (94,), (93,), (92,), (91,), (90,), (89,), (88,), (87,), (86,), (85,)),
        *((96, 103), (103,), (102,), (101,), (101, 100)),
        *((100, 99), (99,), (98,), (97,), (97, 96)),
    ],
    "nose": [
        *((46,), (43,)),
        *((43, 43, 43, 82), (43, 82), (43, 82, 82, 82), (82,)),
        *((48,), (49,), (50,)),
        *((83,), (43, 83, 83, 83), (43, 83), (43, 43, 43, 83)),
    ],
    "left_pupil": [(104,)],
    "right_pupil": [(105,)],
}
"""Region -> for each of our landmarks, the vendor's points whose mean it is; one listed twice counts twice.

This assumes a numbering that many models with 106 points use, with left and right as in the image. Compare it
with your vendor's picture, and look at some faces before you trust the tables.

    0-32           contour, from left to right; 16 is the chin
    33-37, 64-67   upper and lower edge of the left brow, from left to right
    38-42, 68-71   upper and lower edge of the right brow, from left to right
    43-46          bridge of the nose, down to the tip
    47-51          below the nose, from left to right
    52-57, 58-63   left and right eye: from the left corner over the upper lid, and back along the lower one
    72-74, 75-77   of the left and right eye: middle of the upper and lower lid, centre
    78-83          sides and wings of the nose, left and right in turn
    84-95          outer edge of the lips: from the left corner over the upper lip, back along the lower
    96-103         inner edge of the lips, likewise
    104, 105       pupils

Our contour has 21 points and theirs has 33, so most of ours lie between two of theirs. The sides of our nose
lie on straight lines from the bridge to the wings.
"""


def ninety_points(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map one face: float32[106, 2] -> float32[90, 2], in the same frame."""
    return np.stack([points[[*place]].mean(axis=0) for region in REGIONS for place in PLACES[region]])


@dataclass(frozen=True)
class VendorSource(FaceSource):
    """The vendor's API as a face source; the key comes from the environment of the worker."""

    url: str
    timeout_s: float = 30.0

    name = "vendor"
    largest_window = 16
    """Calls in flight."""

    @property
    def identity(self) -> str:
        """URL and model."""
        return f"{self.url} {MODEL}"

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Open the connections."""
        with requests.Session() as session:
            session.mount(self.url, requests.adapters.HTTPAdapter(pool_maxsize=self.largest_window))
            session.headers["Authorization"] = f"Bearer {os.environ.get(KEY_VARIABLE, '')}"
            yield OpenVendor(self, session)


@dataclass(frozen=True)
class OpenVendor(OpenSource):
    """The vendor while it is open."""

    source: VendorSource
    session: requests.Session

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Send one call; the code of a failure decides whether it is sent again."""
        check_fit_to_send(request.image_url)  # no passwords and no private hosts in foreign hands
        asked = {"image_url": request.image_url, "max_faces": 1 if request.mode == 1 else MAX_FACES}
        try:
            reply = self.session.post(self.source.url, json=asked, timeout=self.source.timeout_s)
        except requests.Timeout:
            raise _failed(ErrorCode.TIMEOUT, f"no answer within {self.source.timeout_s:g} s") from None
        except requests.RequestException as error:
            raise _failed(ErrorCode.CONNECTION_FAILED, type(error).__name__) from None
        if not reply.ok:
            raise _refused(reply)
        return _found(reply)


def _refused(reply: requests.Response) -> FailureError | RunError:
    """Say what a status means; a key that does not work ends the run, since every call would fail."""
    match reply.status_code:
        case 401 | 403:
            return RunError(f"the vendor refuses the key: set {KEY_VARIABLE}")
        case 404:
            return _failed(ErrorCode.NOT_FOUND, "the vendor cannot fetch the image", reply)
        case 429:
            return _failed(ErrorCode.TOO_MANY_REQUESTS, "more calls than the vendor allows", reply)
        case status if status >= 500:  # noqa: PLR2004 - the servers' own class of errors
            return _failed(ErrorCode.SERVER_ERROR, f"HTTP {status}", reply)
        case status:
            return _failed(ErrorCode.HTTP_ERROR, f"HTTP {status}", reply)


def _failed(code: ErrorCode, message: str, reply: requests.Response | None = None) -> FailureError:
    pause = reply.headers.get("Retry-After", "") if reply is not None else ""
    return FailureError(
        Failure(
            code,
            message,
            stage="annotate",
            http_status=None if reply is None else reply.status_code,
            maybe_billed=code in {ErrorCode.TIMEOUT, ErrorCode.INVALID_RESPONSE},
            retry_after_s=float(pause) if pause.isdecimal() else None,
        )
    )


def _found(reply: requests.Response) -> FoundFaces:
    try:
        body = reply.json()
        faces = [np.array(face, np.float32).reshape(106, 2) for face in body["faces"]]
        return FoundFaces(
            faces=tuple(Face(ninety_points(face)) for face in faces),
            image_width=int(body["width"]),
            image_height=int(body["height"]),
            face_model_version=MODEL,
            trace_id=body.get("request_id"),
        )
    except (ValueError, KeyError, TypeError) as error:
        message = f"not the answer that was expected: {error}"
        raise _failed(ErrorCode.INVALID_RESPONSE, message, reply) from None


def main(manifest: str, output: str, url: str) -> None:
    """Annotate a manifest; the tables of the run lie below the output, as those of `facebeam annotate`."""
    layout = Layout(output, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    run = Run(
        layout=layout,
        manifest=inspect_manifest([manifest]),
        source=VendorSource(url),
        journal=Journal(layout.journal),
    )
    pipeline = beam.Pipeline(FnApiRunner())
    build(pipeline, run)
    pipeline.run().wait_until_finish()
    print(layout.published("faces"))


if __name__ == "__main__":
    parser = ArgumentParser(description=" ".join((__doc__ or "").split("\n\n")[0].split()))
    parser.add_argument("manifest", metavar="MANIFEST")
    parser.add_argument("output", metavar="OUTPUT")
    parser.add_argument("url", metavar="URL", help="the vendor's address")
    arguments = parser.parse_args()
    try:
        main(arguments.manifest, arguments.output, arguments.url)
    except RunError as error:
        sys.exit(f"{error}")
