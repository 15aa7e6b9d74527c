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
"""The service returns at most this number of faces. If it returns ten, the image may have more."""


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
    """What a face source gets about one image. Rows with equal requests share one answer."""

    image_url: str
    mode: int = 0
    """0: all faces, 1: the largest face."""
    need_rotate_detection: int = 0
    """1: find turned faces too; 0: only upright faces."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of an image."""

    points: NDArray[np.float32]
    """float32[90, 2], `(x, y)` in pixels of the upright image, ordered as `landmark_names()`."""
    score: float | None = None
    """0 to 1: share of the faces with this score whose points are right within 5 % of the face's size.

    None: the source does not report it.
    """
    predicted_error: float | None = None
    """Expected mean error of the points, in % of the distance between the outer corners of the eyes.

    None: the source does not report it.
    """

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
    """What one attempt found in an image. If there are no faces, the outcome is `no_face`."""

    faces: tuple[Face, ...]
    image_width: int | None
    """Width of the upright image in pixels. None: not reported, as in the service's answer `no_face`."""
    image_height: int | None
    """Height of the upright image in pixels. None: not reported."""
    face_model_version: str
    trace_id: str | None = None
    """The id of the call, for questions to the service's support. None: the source gives no id."""
    latency_ms: float | None = None
    """Duration of the attempt in ms, without the time that it waited for its turn, if the source measures it.

    None: facebeam uses the time of the whole attempt.
    """
    faces_cut: bool | None = None
    """Whether more faces were found than an answer contains. None: the source does not report it."""

    @property
    def outcome(self) -> Outcome:
        """`ok` with faces, `no_face` without."""
        return Outcome.OK if self.faces else Outcome.NO_FACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(FoundFaces):
    """What was found in an image, by which source, and after how many attempts.

    `latency_ms` is the duration of the last attempt; None: the answer comes from the journal.
    """

    source: str
    """The name of the face source."""
    attempts: int = 1
    answered_at: datetime | None = None
    from_journal: bool = False
    asked_by: str | None = None
    """`AskedBy.tag` of the run and try that sent the request; only answers from the journal have it."""

    @property
    def name(self) -> str:
        """The outcome: `ok` or `no_face`. A failure's name is its code."""
        return self.outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an image has no answer."""

    code: ErrorCode
    message: str
    """What happened, with the value, the rule and the cure. It never contains a secret."""
    _: KW_ONLY
    stage: str
    """The step that failed: `manifest`, `fetch`, `decode`, `annotate`; or `not_sent`."""
    raw_code: str | None = None
    """The code as the server or the service spells it. None: the same as `code`."""
    upstream_code: str | None = None
    http_status: int | None = None
    trace_id: str | None = None
    maybe_billed: bool = False
    retry_after_s: float | None = None
    was_sent: bool = True
    """Whether the request of this attempt left this machine. Only such attempts are counted."""
    attempts: int = 0
    first_attempt_at: datetime | None = None
    last_attempt_at: datetime | None = None
    asked_by: str | None = None
    """`AskedBy.tag` of the run and try that sent the request, as in `Answer`."""

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
    def depends_on_environment(self) -> bool:
        """Whether the cause is not the image itself, so that the next run must try again.

        `forbidden` is final if the service reports it. If the image's own host reports it, the next run may
        succeed, for example with another User-Agent.
        """
        by_host = self.code is ErrorCode.FORBIDDEN and self.stage == "fetch"
        return by_host or self.code.about.depends_on_environment


class AskedBy(NamedTuple):
    """The run that sends a request, and the try of this run: several processes may try the same run in turn.

    A time cannot identify a try, because the clocks of two machines may differ by an hour.
    """

    run: str
    """A name that no other run has, in any output."""
    attempt: str

    @property
    def tag(self) -> str:
        """The text that the journal stores."""
        return f"{self.run}/{self.attempt}"

    def asked(self, tag: str | None) -> bool:
        """Tell whether this try sent the request of a journal entry with this tag."""
        return tag == self.tag

    def asked_before(self, tag: str | None) -> bool:
        """Tell whether any try of this run sent the request of a journal entry with this tag."""
        return tag is not None and tag.startswith(f"{self.run}/")


class FailureError(Exception):
    """Carries a failure from the code that detects it to the one place that catches it."""

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
