"""Why an image could not be annotated: one closed set of codes, each with everything that depends on it.

Sources: the service's guide and contract for the service's own codes and its upstream's (Tencent Cloud IAI
`AnalyzeFace`, 2020-03-03); ours are named after what the user can do about them. An unknown code is data: it
becomes `other`, the raw text is kept beside it.
"""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum, auto
from typing import Self

__all__ = ["ErrorCode", "Fate", "RunError"]


class Fate(StrEnum):
    """What is done about a failure."""

    RETRY = auto()
    """Ask again after a pause; given up on, the dead letter is worth a replay."""
    REJECT = auto()
    """Never ask again: the same request would fail in the same way."""
    OPEN_CIRCUIT = auto()
    """Stop sending: every further request would fail in the same way."""


class Trouble(StrEnum):
    """What failures in a row say about the service. The circuit counts them until another result comes."""

    WRONG_SERVICE = auto()
    """Something else answers: a wrong path in the address, a wrong host, a proxy."""
    UNREACHABLE = auto()
    """Nobody answers, or a gateway does in the service's place: a restart, a switch, a name server."""
    FAILING = auto()
    """The service is reached, and fails. This may end soon."""
    OVERLOADED = auto()
    """The service asks for fewer requests."""
    ITS_ACCOUNT = auto()
    """The service's own account with its upstream is out of order."""


@dataclass(frozen=True, slots=True)
class About:
    """What a code means, and what is done about it.

    Args:
        name: as it stands in the tables.
        fate: what is done about a failure of this code.
        meaning: one line for those who read dead letters; printed into docs/error-codes.md.
        cure: what the user can do; for every code that fetching an image can end in.
        set_up_cure: what allows images that a run may not reach by default. A run of nothing but this code
            was set up wrongly.
        is_mended_elsewhere: a reject that says nothing of the image: a file put in its place or another flag
            mends it. It is not journalled, so that the next run asks again.
        trouble: what failures of this code in a row say about the service. None: they are about the images.
        is_services_own: the service says it by this name. Our other codes are not the service's to say.
        upstream: names, or first parts of names, by which the service's upstream says it.
        attempts: after so many attempts at an image, the fate is `at_last`. None: it stays.
        at_last: the fate after `attempts`.
    """

    name: str
    fate: Fate
    meaning: str
    _: KW_ONLY
    cure: str | None = None
    set_up_cure: str | None = None
    is_mended_elsewhere: bool = False
    trouble: Trouble | None = None
    is_services_own: bool = False
    upstream: tuple[str, ...] = ()
    attempts: int | None = None
    at_last: Fate = Fate.REJECT

    @property
    def asks_to_slow_down(self) -> bool:
        """Whether the other side asks for fewer requests."""
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
    """The name of a failure: partition of the dead letters, `[a-z0-9_]{1,64}`."""

    about: About
    _value_: str

    def __new__(cls, about: About) -> Self:
        """Make a member that is its name, and knows about itself."""
        member = str.__new__(cls, about.name)
        member._value_ = about.name
        member.about = about
        return member

    @classmethod
    def named(cls, name: str) -> Self:
        """Give the code of a name as it stands in the tables; raises KeyError for any other text."""
        return cls[name.upper()]

    @property
    def meaning(self) -> str:
        """One line for those who read dead letters."""
        return self.about.meaning

    def fate(self, attempts: int = 1) -> Fate:
        """Tell what is done about a failure of this code after so many attempts at the image.

        >>> ErrorCode.TIMEOUT.fate(), ErrorCode.UPSTREAM_DETECTION_FAILED.fate(attempts=2)
        (<Fate.RETRY: 'retry'>, <Fate.REJECT: 'reject'>)
        """
        is_last = self.about.attempts is not None and attempts >= self.about.attempts
        return self.about.at_last if is_last else self.about.fate

    # the manifest
    INVALID_MANIFEST_ROW = About(
        "invalid_manifest_row",
        Fate.REJECT,
        "the row names no image: no URL, not UTF-8, over 8 KB, ...",
        cure="correct the URL",
        is_mended_elsewhere=True,
    )
    LOCAL_FILE_NOT_ALLOWED = About(
        "local_file_not_allowed",
        Fate.REJECT,
        "the row names a file, not a web address; see --allow-local-files",
        set_up_cure="write whole URLs, or give --allow-local-files with --source local",
        is_mended_elsewhere=True,
    )

    # reaching the image, or the service
    FORBIDDEN_ADDRESS = About(
        "forbidden_address",
        Fate.REJECT,
        "the URL or a redirect leads to a private address; nothing was sent there",
        cure="put the image on a public host",
        set_up_cure="put the images on public hosts, or give --allow-private-urls",
        is_mended_elsewhere=True,
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
        is_mended_elsewhere=True,
        trouble=Trouble.WRONG_SERVICE,
    )
    TIMEOUT = About(
        "timeout",
        Fate.RETRY,
        "no whole answer within the time allowed",
        cure="replay, or use a copy on a faster host",
        is_services_own=True,
        trouble=Trouble.FAILING,
    )
    TOO_MANY_REDIRECTS = About(
        "too_many_redirects",
        Fate.REJECT,
        "more redirects than a download follows, or a redirect to nowhere",
        cure="name the image's final URL",
        is_mended_elsewhere=True,
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
        "the image is not there: HTTP 404 or 410, or no such file",
        cure="correct the URL or drop the row",
        is_mended_elsewhere=True,
    )
    FORBIDDEN = About(
        "forbidden",
        Fate.REJECT,
        "the server refuses to show the image: HTTP 401 or 403",
        cure="use a URL that needs no login, or tell the host who asks: --user-agent, --header",
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
        "any other HTTP status that is no success, or an answer that cannot be read",
        cure="open the URL in a browser",
        is_mended_elsewhere=True,
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
        "the file is there but cannot be read",
        cure="make it a file that this user may read",
        is_mended_elsewhere=True,
    )

    # the image itself
    IMAGE_EMPTY = About(
        "image_empty", Fate.REJECT, "zero bytes", upstream=("InvalidParameterValue.ImageEmpty",)
    )
    IMAGE_TOO_LARGE = About(
        "image_too_large",
        Fate.REJECT,
        "more bytes or more pixels than are decoded",
        cure="use a smaller copy",
        upstream=("FailedOperation.ImageResolutionExceed", "FailedOperation.ImageSizeExceed"),
    )
    IMAGE_TOO_SMALL = About(
        "image_too_small",
        Fate.REJECT,
        "fewer pixels than the service looks at",
        upstream=("FailedOperation.ImageResolutionTooSmall", "FailedOperation.FaceSizeTooSmall"),
    )
    IMAGE_UNDECODABLE = About(
        "image_undecodable",
        Fate.REJECT,
        "not an image, a broken one, or a format without a decoder here",
        upstream=("FailedOperation.ImageDecodeFailed",),
    )

    # the service's own
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
        "nothing is left on the account: top up the balance",
        is_services_own=True,
    )
    NO_API = About(
        "no_api",
        Fate.OPEN_CIRCUIT,
        "the account has not applied for this API: see the service's console",
        is_services_own=True,
    )
    BAD_REQUEST = About(
        "bad_request", Fate.REJECT, "the service cannot make sense of the request", is_services_own=True
    )
    REQUEST_TOO_LARGE = About(
        "request_too_large", Fate.REJECT, "the request is larger than the service takes", is_services_own=True
    )
    BUSY = About("busy", Fate.RETRY, "the service is busy", trouble=Trouble.OVERLOADED, is_services_own=True)
    API_ERROR = About(
        "api_error",
        Fate.RETRY,
        "the service failed and does not say why",
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
        "the service's upstream could not download the image; asked 3 times",
        upstream=("FailedOperation.ImageDownloadError",),
        attempts=3,
    )
    UPSTREAM_DETECTION_FAILED = About(
        "upstream_detection_failed",
        Fate.RETRY,
        "the service's upstream failed on the image; asked twice",
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
        "the service's own account with its upstream is out of order",
        upstream=("AuthFailure", "ResourceUnavailable", "ResourcesSoldOut", "UnsupportedOperation"),
        attempts=3,
        at_last=Fate.OPEN_CIRCUIT,
        trouble=Trouble.ITS_ACCOUNT,
    )

    # this program
    INTERNAL_ERROR = About(
        "internal_error",
        Fate.REJECT,
        "this program or a library of its failed on the image: please report it",
        is_mended_elsewhere=True,
    )
    WORKER_DIED = About(
        "worker_died", Fate.REJECT, "the process died on the image, three times: please report it"
    )

    # an answer that is none
    INVALID_RESPONSE = About(
        "invalid_response",
        Fate.REJECT,
        "an answer that is not 90 finite points a face",
        cure="report this message",
        trouble=Trouble.WRONG_SERVICE,
    )
    OTHER = About(
        "other",
        Fate.REJECT,
        "a code that this version does not know; the raw code stands in `raw_code`",
        cure="report this message",
    )

    # not asked for
    BUDGET_EXHAUSTED = About(
        "budget_exhausted", Fate.OPEN_CIRCUIT, "--budget-calls or --budget-credits was reached; not sent"
    )
    WINDOW_CLOSED = About(
        "window_closed", Fate.OPEN_CIRCUIT, "--stop-at or --max-duration was reached; not sent"
    )


class RunError(Exception):
    """End the run without a commit; one line that names the value, the rule and the cure."""


class SetUpError(RunError):
    """A flag is wrong or missing, as every row of the run shows; exit code 2."""
