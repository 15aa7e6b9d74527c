"""Progress fits its terminal, and says what people and machines wait to know."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from facebeam.runners.flags.options import parse_annotate
from facebeam.runners.show_progress import Moment, WatchRun
from facebeam.schemas.counts import Counts
from facebeam.transforms.steps.progress import Progress
from tests.helpers.api_console import environment, images, running_by_api
from tests.helpers.console import FACEBEAM, rehearse, write_urls
from tests.helpers.paid_service import FaultyServer, by_image_url
from tests.helpers.paid_service_answers import answers, retry_after
from tests.helpers.processes import running
from tests.helpers.scripted_server import Exchange, Script

FAULTS = ("bad_request", "nan", "upstream_decode")
URLS = [
    *images(10),
    *[f"https://images.example.com/fault-{fault}/{n}.jpg" for fault in FAULTS for n in "ab"],
    "https://images.example.com/last.jpg",
]
MOMENT = Moment(
    stage="annotating",
    done=123_456,
    total=1_000_000,
    per_s=59.96,
    eta_s=14_610,
    faces=98_765,
    dead_letters={"too_many_requests": 510, "upstream_detection_failed": 49, "timeout": 7, "not_found": 1},
    calls=123_999,
    credits=309.9975,
    credits_projected=2_500,
    waits_for="waiting 12 s: the service asked for a pause",
)


def asks_for_a_pause_at_last() -> Script:
    """Answer by the URL; to the last image, when all others are answered, ask for a pause of 30 seconds."""
    answered: set[str] = set()
    others_are_answered = Event()

    def script(exchange: Exchange) -> None:
        url = json.loads(exchange.body)["image_url"]
        if url == URLS[-1]:
            others_are_answered.wait()
            retry_after("30")(exchange)
            return
        by_image_url(answers())(exchange)
        answered.add(url)
        if answered == {*URLS[:-1]}:
            others_are_answered.set()

    return script


@pytest.mark.parametrize(
    ("columns", "dead"),
    [(60, r"2 \w+, 4 others"), (80, r"2 \w+, 2 \w+, 2 \w+"), (120, r"2 \w+, 2 \w+, 2 \w+")],
)
def test_it_fits_a_real_terminal(tmp_path: Path, columns: int, dead: str) -> None:
    """Bar, counts, dead letters, credits and what the run waits for: no line is wider than the terminal."""
    expected = (
        r"annotating ━+ 16/17 [\d.,]+/s \d+:\d\d:\d\d\n",
        rf"\n10 faces, 6 dead: {dead}\n",
        r"\n1\d calls, 0.0\d of about 0.0\d credits\n",
        r"\nwaiting \d+ s: the service asked for a pause",
    )
    urls, (ours, theirs) = write_urls(tmp_path / "urls.txt", URLS), pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with FaultyServer(asks_for_a_pause_at_last()) as server:
        place = ["--base-url", server.base_url, "--manifest", urls, "--output", tmp_path / "out"]
        command = [FACEBEAM, "annotate", "--source", "api", "--rate", "1000", *place]
        utf8 = {**environment(), "TERM": "xterm", "PYTHONUTF8": "1"}
        utf8.pop("COLUMNS", None)  # it counts for more than the terminal, and pytest's workers have it
        with running(command, stdout=theirs, stderr=theirs, env=utf8):
            os.close(theirs)
            text = shown(ours, lambda text: all(re.search(line, text) for line in expected))
    lines = [line for line in text.split("\n") if not re.match(r"\d\d:\d\d:\d\d ", line)]
    assert max(map(len, lines)) <= columns


def shown(terminal: int, is_enough: Callable[[str], bool]) -> str:
    """Read a terminal, without its control sequences, until the text is enough."""
    seen = b""
    plain = ""
    while not is_enough(plain):
        assert select.select([terminal], [], [], 120)[0], plain
        try:
            seen += os.read(terminal, 65536)
        except OSError as error:  # the process has ended
            raise AssertionError(plain) from error
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode(errors="ignore"))
        plain = re.sub(r"[\r\n]+", "\n", plain)
    os.close(terminal)
    return plain


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 200])
def test_no_line_is_too_wide(columns: int) -> None:
    """A run of a million rows fits any width; from 60 columns on nothing but names of codes is left out."""
    lines = [line.plain for line in MOMENT.lines(columns)]
    assert max(map(len, lines)) <= columns
    if columns >= 60:
        assert lines[0].startswith("annotating ━")
        assert lines[0].endswith("━ 123,456/1,000,000 60.0/s 4:03:30")
        assert lines[1].startswith("98,765 faces, 567 dead: 510 too_many_requests, ")
        assert lines[2:] == ["123,999 calls, 310.00 of about 2,500.00 credits", MOMENT.waits_for]


def test_codes_are_counted_whether_named_or_not() -> None:
    """The codes that do not fit are counted together; where none fits, the sum is told."""
    assert [MOMENT.lines(columns)[1].plain for columns in (120, 80, 60, 30)] == [
        "98,765 faces, 567 dead: 510 too_many_requests, 49 upstream_detection_failed, 7 timeout, 1 not_found",
        "98,765 faces, 567 dead: 510 too_many_requests, 57 others",
        "98,765 faces, 567 dead: 510 too_many_requests, 57 others",
        "98,765 faces, 567 dead",
    ]


def test_a_line_of_a_log_has_the_same_facts() -> None:
    """What is logged names every code, and all the rest."""
    assert MOMENT.sentence() == (
        "annotating: 123,456 of 1,000,000, 60.0 a second, 4:03:30 left; 98,765 faces, 567 dead: 510 "
        "too_many_requests, 49 upstream_detection_failed, 7 timeout, 1 not_found; 123,999 calls, 310.00 of "
        "about 2,500.00 credits; waiting 12 s: the service asked for a pause"
    )
    assert (
        replace(MOMENT, stage="reading rows", total=None, per_s=None, eta_s=None)
        .sentence()
        .startswith("reading rows: 123,456; 98,765 faces")
    )


def test_machines_get_every_field(tmp_path: Path) -> None:
    """After ten seconds a log in JSON has an object with the fields of the moment."""
    urls = write_urls(tmp_path / "urls.txt", URLS)
    with (
        FaultyServer(asks_for_a_pause_at_last()) as server,
        running_by_api(server.base_url, urls, tmp_path / "out", "--log-format", "json") as process,
    ):
        events = (json.loads(line) for line in process.stderr)
        found = next(event for event in events if event.get("event") == "progress")
    assert set(vars(MOMENT)) <= set(found)
    assert (found["total"], found["stage"]) == (17, "annotating")


def watch(progress: Progress, *flags: str, source: str = "api", budget: int | None = None) -> WatchRun:
    """Watch a run with these flags, whose progress the test makes up."""
    options = parse_annotate(["--manifest", "m.csv", "--output", "out", "--source", source, *flags])
    return WatchRun(options, budget, progress)


def test_the_speed_is_that_of_the_last_minute() -> None:
    """Reading does not count, and what was fast an hour ago does not either."""
    progress = Progress(Counts(rows=10_000))
    now = watch(progress, "--rate", "unlimited")
    assert now(0.0) == Moment(stage="reading rows", done=10_000)
    progress.begin("annotating")
    assert now(1_000.0).per_s is None
    progress.ended.ok = 5_000
    assert now(1_001.0).per_s == 5_000
    progress.ended.ok = 5_060
    now(4_000.0)
    progress.ended.ok = 5_120
    assert now(4_030.0).per_s == 2.0
    assert now(4_030.0).eta_s == (10_000 - 5_120) / 2


def test_the_rate_limits_what_is_promised() -> None:
    """Answers of the journal come fast, the rest by --rate: retries use it up, duplicates save it."""
    progress = Progress(Counts(rows=1_000), stage="annotating")
    now = watch(progress, "--rate", "10", "--price", "0.5")
    now(0.0)
    progress.ended.ok = 600
    assert now(1.0).eta_s == 400 / 10
    progress.ended.calls, progress.ended.called_rows = 100, 50
    told = now(2.0)
    assert told.eta_s == 400 / 5
    assert (told.calls, told.credits, told.credits_projected) == (100, 50.0, 450.0)


def test_no_more_is_projected_than_the_budget() -> None:
    """The projection ends at the budget."""
    progress = Progress(Counts(rows=1_000), stage="annotating")
    assert watch(progress, "--price", "0.5", budget=10)(0.0).credits_projected == 5.0


def test_what_costs_nothing_has_no_credits() -> None:
    """A run of the fake source tells no calls and credits."""
    told = watch(Progress(stage="annotating"), source="fake")(0.0)
    assert (told.calls, told.credits, told.credits_projected) == (None, None, None)


@pytest.mark.parametrize("command", ["plan", "report"])
def test_other_commands_show_progress_too(tmp_path: Path, command: str) -> None:
    """`plan` and `report` begin their stages before they read."""
    urls, output = write_urls(tmp_path / "urls.txt", images(2)), tmp_path / "out"
    assert rehearse(urls, output).returncode == 0
    ours, theirs = pty.openpty()
    flags = ["--manifest", urls] if command == "plan" else ["--images", "0"]
    with running([FACEBEAM, command, "--output", output, *flags], stderr=theirs) as process:
        os.close(theirs)
        assert process.wait(120) == 0
    assert b"\x1b[?25l" in os.read(ours, 65536)
    os.close(ours)
