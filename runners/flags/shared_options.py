"""Flags that several commands share: for their messages, and for downloads of images."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from facebeam.runners.flags import option_types as types
from facebeam.runners.flags import request_headers
from facebeam.runners.flags.flag import Flag, Inherited


@dataclass(frozen=True, kw_only=True)
class TalkOptions:
    """The flags for messages."""

    TITLE: ClassVar[str] = "messages"

    quiet: Annotated[bool, Flag("print only errors", changes_rows=False)] = False
    log_format: Annotated[
        Literal["text", "json"],
        Flag("json: one object per line", str, choices=("text", "json"), changes_rows=False),
    ] = "text"


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    """Whom to tell that a run has ended."""

    TITLE: ClassVar[str] = "the end of the run"

    notify_url: Annotated[
        str | None,
        Flag(
            "post the summary as JSON to this URL when the run ends or fails; no file stores the URL",
            types.web_url,
            "URL",
            changes_rows=False,
        ),
    ] = None


_LOCAL: Final = ("source", ("local",))


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """The checked flags for downloads."""

    TITLE: ClassVar[str] = "downloads of images"

    allow_private_urls: Annotated[
        bool,
        Flag(
            "also reach private and loopback addresses, or let the service reach them",
            inherited=Inherited.MANNER,
        ),
    ] = False
    connections_per_host: Annotated[
        int,
        Flag(
            "download at most N images at a time from one host, in each worker process",
            types.connections,
            "N",
            only_with=_LOCAL,
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = 6
    host_rate: Annotated[
        float | None,
        Flag(
            "send one host at most R requests per second, in each worker process",
            types.rate,
            "R",
            default_is="unlimited",
            only_with=_LOCAL,
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None
    user_agent: Annotated[
        str | None,
        Flag(
            "User-Agent for image hosts; some hosts want a contact in it",
            request_headers.user_agent,
            "TEXT",
            default_is="facebeam/VERSION",
            only_with=_LOCAL,
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None
    header: Annotated[
        tuple[str, ...],
        Flag(
            "send one more header to every image host, such as 'Referer: https://example.com/', but no "
            "secret; may be given several times",
            request_headers.header,
            "'NAME: VALUE'",
            repeated=True,
            only_with=_LOCAL,
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = ()
    ca_file: Annotated[
        str | None,
        Flag(
            "also trust the certificate authorities in this file",
            types.full_path,
            "PEM",
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None
