"""What the service sent back: the one value between the network and the rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response, its body decoded.

    Args:
        status: HTTP status.
        headers: by name, in any case.
        body: bytes; empty where an error's body could not be read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status says so; the body may still say otherwise."""
        return self.status // 100 == HTTPStatus.OK // 100
