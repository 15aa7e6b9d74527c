"""A page in a real Chromium, driven over its debugging pipe."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import pytest

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


@dataclass
class Page:
    """An open page.

    Args:
        requested: every URL that the page has asked for since it was opened.
    """

    commands: BinaryIO
    answers: BinaryIO
    session: str = ""
    requested: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    _sent: int = 0
    _received: bytes = b""

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Carry a command of the DevTools protocol out; give its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        self.commands.write(
            json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode()
        )
        self.commands.write(b"\0")
        self.commands.flush()
        while (answer := self._receive()).get("id") != self._sent:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, width: int, scheme: str = "light") -> None:
        """Show a file in a window of this width, for a user who prefers light or dark colours."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.requested.clear()
        self.send("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self.events:
            self._receive()

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever JavaScript gives
        """Evaluate JavaScript in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write the whole page into a PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(b64decode(shot["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            block = os.read(self.answers.fileno(), 1 << 20)
            assert block, "Chromium has ended"
            self._received += block
        text, _, rest = self._received.partition(b"\0")
        self._received = rest
        message: dict[str, Any] = json.loads(text)
        self.events.append(message.get("method", ""))
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        return message


@contextmanager
def chromium_page(profile: Path) -> Iterator[Page]:
    """Start Chromium with an empty page; skip the test if there is no Chromium here."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here")
    (read_commands, write_commands), (read_answers, write_answers) = os.pipe(), os.pipe()
    redirected = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}'
    command = ["/bin/bash", "-c", redirected, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (
        subprocess.Popen(
            command, pass_fds=(read_commands, write_answers), stderr=subprocess.DEVNULL
        ) as process,
        os.fdopen(write_commands, "wb") as commands,
        os.fdopen(read_answers, "rb") as answers,
    ):
        os.close(read_commands)
        os.close(write_answers)
        try:
            yield _attached(Page(commands, answers))
        finally:
            process.terminate()


def _attached(page: Page) -> Page:
    target = page.send("Target.createTarget", url="about:blank")["targetId"]
    page.session = page.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime"):
        page.send(f"{domain}.enable")
    return page
