"""The codes that say why an image could not be annotated, each with all facts that depend on it.

The codes of the service and of its upstream (Tencent Cloud IAI `AnalyzeFace`, 2020-03-03) come from the
service's guide and contract. The other codes are facebeam's own, one per action that the user can take. If
the service sends a code that is not in this set, facebeam uses `other` and puts the text into the column
`raw_code`.
"""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum, auto
from typing import Self

__all__ = ["ErrorCode", "Fate", "RunError"]


class Fate(StrEnum):
    """What facebeam does after a failure."""

    RETRY = auto()
    """Try again after a pause. If every try fails, a later replay may succeed."""
    REJECT = auto()
    """Do not try again: the same request would fail in the same way."""
    OPEN_CIRCUIT = auto()
    """Stop sending: every further request would fail in the same way."""


class Trouble(StrEnum):
    """What several failures in a row say about the service; a result of another kind ends the series."""

    WRONG_SERVICE = auto()
    """Something other than the service answers, because of a wrong path, a wrong host or a proxy."""
    UNREACHABLE = auto()
    """Nothing answers, or a gateway answers for the service, for example during a restart or DNS failure."""
    FAILING = auto()
    """The service answers with a failure or too late. It may recover soon."""
    OVERLOADED = auto()
    """The service asks for fewer requests."""
    ITS_ACCOUNT = auto()
    """The service's upstream refuses the service's own account."""


@dataclass(frozen=True, slots=True)
class About:
    """What a code means, and what facebeam does after such a failure.

    Args:
        name: the code as it is in the tables.
        fate: what facebeam does after a failure with this code.
        meaning: one line for people who read dead letters; docs/error-codes.md shows it.
        cure: what the user can do. Every code that can come from fetching an image has one.
        set_up_cure: what the user can do if all rows of a run fail with this code, because a flag is missing.
            None: such a run is committed like any other.
        depends_on_environment: whether the cause is not the image but, for example, a missing file or
            a blocked address. Such a failure is not journalled, so the next run tries again.
        trouble: what several failures with this code in a row say about the service. None: nothing.
        is_services_own: whether the service itself sends this code, under this name.
        upstream: codes of the service's upstream with this meaning: whole names, or the first parts of names.
        attempts: number of attempts at an image after which the fate becomes `at_last`. None: never.
        at_last: the fate after `attempts` attempts.
    """

    name: str
    fate: Fate
    meaning: str
    _: KW_ONLY
    cure: str | None = None
    set_up_cure: str | None = None
    depends_on_environment: bool = False
    trouble: Trouble | None = None
    is_services_own: bool = False
    upstream: tuple[str, ...] = ()
    attempts: int | None = None
    at_last: Fate = Fate.REJECT

    @property
    def asks_to_slow_down(self) -> bool:
        """Whether the server asks for fewer requests."""
        return self.trouble is Trouble.OVERLOADED

    @property
    def stops_the_run(self) -> bool:
        """Whether a failure of this code stops all sending, at the first attempt at an image or later."""
        return Fate.OPEN_CIRCUIT in {self.fate, self.at_last}

    @property
    def can_stop_the_run(self) -> bool:
        """Whether failures of this code can stop all sending: each by itself, or many of them in a row."""
        return self.stops_the_run or self.trouble is not None


class ErrorCode(StrEnum):
    """The code of a failure, `[a-z0-9_]{1,64}`: it names a folder of the dead letters."""

    about: About
    _value_: str

    def __new__(cls, about: About) -> Self:
        """Make a member whose value is `about.name`."""
        member = str.__new__(cls, about.name)
        member._value_ = about.name
        member.about = about
        return member

    @classmethod
    def named(cls, name: str) -> Self:
        """Give the code with this name, as in the tables; raises KeyError for any other text."""
        return cls[name.upper()]

    @property
    def meaning(self) -> str:
        """What the code means, in one line."""
        return self.about.meaning

    @property
    def cure(self) -> str:
        """What the user can do about dead letters with this code."""
        if cure := self.about.cure or self.about.set_up_cure:
            return cure
        if self.about.fate is Fate.REJECT:
            return "use another image, or drop the row"
        return "replay" if self.about.fate is Fate.RETRY else "replay when the cause is gone"

    @property
    def is_retryable(self) -> bool:
        """Whether a replay of dead letters with this code may succeed, without a change of the image."""
        return (self.about.fate if self.about.attempts is None else self.about.at_last) is not Fate.REJECT

    def fate(self, attempts: int = 1) -> Fate:
        """Tell what facebeam does after a failure with this code and this number of attempts at the image.

        >>> ErrorCode.TIMEOUT.fate(), ErrorCode.UPSTREAM_DETECTION_FAILED.fate(attempts=2)
        (<Fate.RETRY: 'retry'>, <Fate.REJECT: 'reject'>)
        """
        is_last = self.about.attempts is not None and attempts >= self.about.attempts
        return self.about.at_last if is_last else self.about.fate

    # the manifest
    INVALID_MANIFEST_ROW = About(
        "invalid_manifest_row",
        Fate.REJECT,
        "the row cannot be read, or has no valid image URL",
        cure="correct the row in the manifest",
        depends_on_environment=True,
    )
    LOCAL_FILE_NOT_ALLOWED = About(
        "local_file_not_allowed",
        Fate.REJECT,
        "the row names a file, not a web address; see --allow-local-files",
        set_up_cure="write whole URLs, or give --allow-local-files with --source local",
        depends_on_environment=True,
    )

    # reaching the image, or the service
    FORBIDDEN_ADDRESS = About(
        "forbidden_address",
        Fate.REJECT,
        "the URL or a redirect leads to a private address; nothing was sent there",
        cure="put the image on a public host",
        set_up_cure="put the images on public hosts, or give --allow-private-urls",
        depends_on_environment=True,
    )
    HOST_NOT_FOUND = About(
        "host_not_found",
        Fate.RETRY,
        "the host name has no address",
        cure="correct the host name, or replay when the name server answers",
        trouble=Trouble.UNREACHABLE,
    )
    CONNECTION_FAILED = About(
        "connection_failed",
        Fate.RETRY,
        "the connection was refused, reset or closed before an answer",
        cure="replay when the host is up",
        trouble=Trouble.UNREACHABLE,
    )
    TLS_ERROR = About(
        "tls_error",
        Fate.REJECT,
        "the server's certificate or TLS cannot be trusted",
        cure="have the host's certificate repaired, or name its authority with --ca-file",
        depends_on_environment=True,
        trouble=Trouble.WRONG_SERVICE,
    )
    TIMEOUT = About(
        "timeout",
        Fate.RETRY,
        "no complete answer within the time limit",
        cure="replay, or use a copy on a faster host",
        is_services_own=True,
        trouble=Trouble.FAILING,
    )
    TOO_MANY_REDIRECTS = About(
        "too_many_redirects",
        Fate.REJECT,
        "more redirects than a download follows, or a redirect without a target",
        cure="name the image's final URL",
        depends_on_environment=True,
    )
    RESPONSE_TRUNCATED = About(
        "response_truncated",
        Fate.RETRY,
        "the body ended early, could not be decoded, or is not the service's JSON",
        cure="replay",
        trouble=Trouble.UNREACHABLE,
    )
    NOT_FOUND = About(
        "not_found",
        Fate.REJECT,
        "the image does not exist: HTTP 404 or 410, or no such file",
        cure="correct the URL or drop the row",
        depends_on_environment=True,
    )
    FORBIDDEN = About(
        "forbidden",
        Fate.REJECT,
        "the server refuses to show the image: HTTP 401 or 403",
        cure="use a URL that needs no login, or identify yourself to the host: --user-agent, --header",
        is_services_own=True,
    )
    TOO_MANY_REQUESTS = About(
        "too_many_requests",
        Fate.RETRY,
        "the server asks for fewer requests: HTTP 429, or an upstream limit",
        cure="replay later, or at a lower rate",
        trouble=Trouble.OVERLOADED,
        is_services_own=True,
        upstream=("FailedOperation.RequestLimitExceeded", "LimitExceeded", "RequestLimitExceeded"),
    )
    HTTP_ERROR = About(
        "http_error",
        Fate.REJECT,
        "any other HTTP status that is not a success, or an answer that cannot be read",
        cure="open the URL in a browser",
        depends_on_environment=True,
        trouble=Trouble.WRONG_SERVICE,
    )
    SERVER_ERROR = About(
        "server_error",
        Fate.RETRY,
        "the server failed: HTTP 5xx",
        cure="replay when the host has recovered",
        trouble=Trouble.UNREACHABLE,
    )
    FILE_UNREADABLE = About(
        "file_unreadable",
        Fate.REJECT,
        "the file exists but cannot be read",
        cure="give this user the right to read it, and make sure that it is a file",
        depends_on_environment=True,
    )

    # the image itself
    IMAGE_EMPTY = About(
        "image_empty", Fate.REJECT, "zero bytes", upstream=("InvalidParameterValue.ImageEmpty",)
    )
    IMAGE_TOO_LARGE = About(
        "image_too_large",
        Fate.REJECT,
        "more bytes or more pixels than the decoder accepts",
        cure="use a smaller copy",
        upstream=("FailedOperation.ImageResolutionExceed", "FailedOperation.ImageSizeExceed"),
    )
    IMAGE_TOO_SMALL = About(
        "image_too_small",
        Fate.REJECT,
        "fewer pixels than the service accepts",
        upstream=("FailedOperation.ImageResolutionTooSmall", "FailedOperation.FaceSizeTooSmall"),
    )
    IMAGE_UNDECODABLE = About(
        "image_undecodable",
        Fate.REJECT,
        "not an image, a damaged image, or a format without a decoder here",
        upstream=("FailedOperation.ImageDecodeFailed",),
    )

    # the service itself
    TOKEN_MISMATCHED = About(
        "token_mismatched",
        Fate.OPEN_CIRCUIT,
        "the service knows the token, but not for this API: check the token",
        is_services_own=True,
    )
    API_NOT_IMPLEMENTED = About(
        "api_not_implemented",
        Fate.OPEN_CIRCUIT,
        "the service does not offer this API: check --base-url",
        is_services_own=True,
    )
    NO_TOKEN = About(
        "no_token", Fate.OPEN_CIRCUIT, "the service got no token: check the token", is_services_own=True
    )
    DISABLED = About(
        "disabled",
        Fate.OPEN_CIRCUIT,
        "the account or token is disabled: see the service's console",
        is_services_own=True,
    )
    INVALID_TOKEN = About(
        "invalid_token",
        Fate.OPEN_CIRCUIT,
        "the token is not valid: check ACEDATACLOUD_API_TOKEN or --token-file",
        is_services_own=True,
    )
    TOKEN_EXPIRED = About(
        "token_expired",
        Fate.OPEN_CIRCUIT,
        "the token has expired: make a new one in the service's console",
        is_services_own=True,
    )
    AUTHORIZATION_MISSING = About(
        "authorization_missing",
        Fate.OPEN_CIRCUIT,
        "the service got no authorization: check the token",
        is_services_own=True,
    )
    AUTHENTICATION_FAILED = About(
        "authentication_failed",
        Fate.OPEN_CIRCUIT,
        "the service does not accept the token: check it",
        is_services_own=True,
    )
    PAYMENT_REQUIRED = About(
        "payment_required", Fate.OPEN_CIRCUIT, "the service asks for payment: top up the balance"
    )
    USED_UP = About(
        "used_up",
        Fate.OPEN_CIRCUIT,
        "the account has no credits left: top up the balance",
        is_services_own=True,
    )
    NO_API = About(
        "no_api",
        Fate.OPEN_CIRCUIT,
        "the account has not applied for this API: see the service's console",
        is_services_own=True,
    )
    BAD_REQUEST = About(
        "bad_request", Fate.REJECT, "the service does not understand the request", is_services_own=True
    )
    REQUEST_TOO_LARGE = About(
        "request_too_large",
        Fate.REJECT,
        "the request is larger than the service accepts",
        is_services_own=True,
    )
    BUSY = About("busy", Fate.RETRY, "the service is busy", trouble=Trouble.OVERLOADED, is_services_own=True)
    API_ERROR = About(
        "api_error",
        Fate.RETRY,
        "the service failed without a reason",
        is_services_own=True,
        trouble=Trouble.FAILING,
    )

    # the service's upstream, in groups
    UPSTREAM_REJECTED = About(
        "upstream_rejected",
        Fate.REJECT,
        "the service's upstream refuses the image or a parameter",
        upstream=("InvalidParameterValue", "InvalidParameter", "MissingParameter"),
    )
    UPSTREAM_DOWNLOAD_FAILED = About(
        "upstream_download_failed",
        Fate.RETRY,
        "the service's upstream could not download the image, in 3 tries",
        upstream=("FailedOperation.ImageDownloadError",),
        attempts=3,
    )
    UPSTREAM_DETECTION_FAILED = About(
        "upstream_detection_failed",
        Fate.RETRY,
        "the service's upstream failed on the image, in 2 tries",
        upstream=("FailedOperation.ImageFacedetectFailed",),
        attempts=2,
    )
    UPSTREAM_ERROR = About(
        "upstream_error",
        Fate.RETRY,
        "the service's upstream failed",
        upstream=("FailedOperation", "InternalError"),
    )
    UPSTREAM_ACCOUNT = About(
        "upstream_account",
        Fate.RETRY,
        "the upstream refuses the service's own account",
        upstream=("AuthFailure", "ResourceUnavailable", "ResourcesSoldOut", "UnsupportedOperation"),
        attempts=3,
        at_last=Fate.OPEN_CIRCUIT,
        trouble=Trouble.ITS_ACCOUNT,
    )

    # this program
    INTERNAL_ERROR = About(
        "internal_error",
        Fate.REJECT,
        "facebeam or one of its libraries failed on the image: please report it",
        depends_on_environment=True,
    )
    WORKER_DIED = About(
        "worker_died", Fate.REJECT, "the image killed the process three times: please report it"
    )

    # an answer that cannot be used
    INVALID_RESPONSE = About(
        "invalid_response",
        Fate.REJECT,
        "the answer does not have 90 finite points per face",
        cure="report this message",
        trouble=Trouble.WRONG_SERVICE,
    )
    OTHER = About(
        "other",
        Fate.REJECT,
        "a code that this version does not know; see the column `raw_code`",
        cure="report this message",
    )

    # not sent
    BUDGET_EXHAUSTED = About(
        "budget_exhausted", Fate.OPEN_CIRCUIT, "--budget-calls or --budget-credits was reached; not sent"
    )
    WINDOW_CLOSED = About(
        "window_closed", Fate.OPEN_CIRCUIT, "--stop-at or --max-duration was reached; not sent"
    )


class RunError(Exception):
    """The run ends without a commit. The message is one line with the value, the rule and the cure."""


class SetUpError(RunError):
    """Every row of the run fails because a flag is wrong or missing; exit code 2."""
