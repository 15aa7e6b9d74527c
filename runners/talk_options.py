"""How much a command says, and in which form: the flags that every command has."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from runners.flags import Flag


@dataclass(frozen=True, kw_only=True)
class TalkOptions:
    """What the user asked of the output."""

    TITLE: ClassVar[str] = "what it says"

    quiet: Annotated[bool, Flag("say nothing but errors", changes_rows=False)] = False
    log_format: Annotated[
        Literal["text", "json"],
        Flag("json: one object per line", str, choices=("text", "json"), changes_rows=False),
    ] = "text"
