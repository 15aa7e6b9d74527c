"""The values that travel through the pipeline, from a manifest row to its answer or dead letter.

ManifestRow --ImageRequest--> face source --> FoundFaces --> Answer --> Annotation   (outcome ok or no_face)
                                    |-------> Failure --> DeadLetter
"""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum, auto
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.landmarks import LANDMARK_COUNT, region_slice

__all__ = [
    "Annotation",
    "Answer",
    "DeadLetter",
    "Face",
    "Failure",
    "FailureError",
    "FoundFaces",
    "ImageRequest",
    "ManifestRow",
    "Outcome",
]

MAX_FACES = 10
"""The service returns at most so many faces; with ten faces, more may be in the image."""


NOT_SENT = "not_sent"
"""The stage of a failure whose image was not sent, because the run had stopped sending."""


class Outcome(StrEnum):
    """Whether an answer has faces."""

    OK = auto()
    NO_FACE = auto()


class ManifestRow(NamedTuple):
    """One entry of the manifest."""

    image_url: str
    image_id: str
    columns: tuple[object, ...] = ()
    """Values of the manifest's own columns, in the order of the run's column schema."""


class ImageRequest(NamedTuple):
    """What a face source gets of one image. Rows with equal requests share one answer."""

    image_url: str
    mode: int = 0
    """0: all faces, 1: the largest face."""
    need_rotate_detection: int = 0
    """1: look for turned faces too."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face."""

    points: NDArray[np.float32]
    """float32[90, 2], `(x, y)` in pixels of the upright image, ordered as `landmark_names()`."""
    score: float | None = None
    """0 to 1: of the faces with this score, such a share is right within 5 % of the face's size.

    None where the source does not say; so is `predicted_error`.
    """
    predicted_error: float | None = None
    """Expected mean error of the points, in % of the distance of the eyes' outer corners."""

    def __post_init__(self) -> None:
        if self.points.shape != (LANDMARK_COUNT, 2) or self.points.dtype != np.float32:
            raise ValueError(
                f"a face is float32[{LANDMARK_COUNT}, 2], not {self.points.dtype}{list(self.points.shape)}"
            )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Face)
            and np.array_equal(self.points, other.points)
            and (self.score, self.predicted_error) == (other.score, other.predicted_error)
        )

    def __hash__(self) -> int:
        return hash(
            (self.points + np.float32(0)).tobytes()
        )  # adding 0 turns -0.0 into 0.0: they are equal, so their hashes must be

    def region(self, name: str) -> NDArray[np.float32]:
        """Give the landmarks of one region: float32[n, 2]."""
        return self.points[region_slice(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFaces:
    """What one attempt finds in an image; without faces the outcome is `no_face`."""

    faces: tuple[Face, ...]
    image_width: int | None
    """Pixels of the upright image; None: the source does not report it (as the service's `no_face`)."""
    image_height: int | None
    face_model_version: str
    trace_id: str | None = None
    """The id of the call, for the support of the service."""
    latency_ms: float | None = None
    """Milliseconds of the attempt itself, measured by a source that makes attempts wait for their turn. None:
    all of the time that the attempt took."""
    faces_cut: bool | None = None
    """Whether more faces were found than an answer holds; None where the source does not say."""

    @property
    def outcome(self) -> Outcome:
        """`ok` with faces, `no_face` without."""
        return Outcome.OK if self.faces else Outcome.NO_FACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(FoundFaces):
    """What was found in an image, who found it, and what it took.

    `latency_ms` is that of the last attempt; None: the answer comes from the journal.
    """

    source: str
    """The name of the face source."""
    attempts: int = 1
    answered_at: datetime | None = None
    from_journal: bool = False
    asked_by: str | None = None
    """The try of a run that asked, `AskedBy.tag`; known of what comes from the journal."""

    @property
    def name(self) -> str:
        """The outcome: `ok` or `no_face`. A failure's name is its code."""
        return self.outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer."""

    code: ErrorCode
    message: str
    """The value, the rule and the cure, for the reader of the dead letter; it never contains a secret."""
    _: KW_ONLY
    stage: str
    """The step that failed: `manifest`, `fetch`, `decode`, `annotate`; or `not_sent`."""
    raw_code: str | None = None
    """The code as the other side spells it; None: it is `code`."""
    upstream_code: str | None = None
    http_status: int | None = None
    trace_id: str | None = None
    maybe_billed: bool = False
    retry_after_s: float | None = None
    was_sent: bool = True
    """Whether this attempt left this machine: only such attempts count."""
    attempts: int = 0
    first_attempt_at: datetime | None = None
    last_attempt_at: datetime | None = None
    asked_by: str | None = None
    """As in `Answer`."""

    @property
    def name(self) -> str:
        """The code. An answer's name is its outcome."""
        return self.code

    @property
    def answered_at(self) -> datetime | None:
        """Time of the last attempt, under the name that `Answer` has for it."""
        return self.last_attempt_at

    @property
    def fate(self) -> Fate:
        """What facebeam does after this failure."""
        return self.code.fate(self.attempts)

    @property
    def is_mended_elsewhere(self) -> bool:
        """Whether the cause is not the image itself, so that the next run must try again.

        `forbidden` is final if the service says it about an image. The image's own host may accept another
        User-Agent, or accept everybody tomorrow.
        """
        by_host = self.code is ErrorCode.FORBIDDEN and self.stage == "fetch"
        return by_host or self.code.about.is_mended_elsewhere


class AskedBy(NamedTuple):
    """The run that sends a request, and which try of the run: several processes may try one run in turn.

    Times cannot tell tries apart: the clocks of two machines may differ by an hour.
    """

    run: str
    """A name that no other run has, in any output."""
    attempt: str

    @property
    def tag(self) -> str:
        """The text that the journal stores."""
        return f"{self.run}/{self.attempt}"

    def asked(self, tag: str | None) -> bool:
        """Tell whether this try sent the request of an entry."""
        return tag == self.tag

    def asked_before(self, tag: str | None) -> bool:
        """Tell whether any try of this run sent the request of an entry."""
        return tag is not None and tag.startswith(f"{self.run}/")


class FailureError(Exception):
    """Carry a failure from the place that translates it to the one place that catches it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)  # positional, so that the exception can be pickled
        self.failure = failure

    def __str__(self) -> str:
        return f"{self.failure.code}: {self.failure.message}"


class Annotation(NamedTuple):
    """A manifest row with its answer."""

    row: ManifestRow
    answer: Answer


class DeadLetter(NamedTuple):
    """A manifest row that failed, with its failure."""

    row: ManifestRow
    failure: Failure


def default_image_id(image_url: str) -> str:
    """Name an image after its URL, for manifests without `image_id`: 16 hex digits of its sha256.

    >>> default_image_id("https://example.com/a.jpg")
    '276a1ac00ba4f0ea'
    """
    return sha256(image_url.encode("utf-8", "surrogatepass")).hexdigest()[:16]
