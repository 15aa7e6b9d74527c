"""`facebeam report` through the command line: a page that shows the run and does nothing else."""

import csv
import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facebeam.schemas.tables import face_points
from tests.helpers.browser import Page, chromium_page
from tests.helpers.console import FACEBEAM, annotate, facebeam, rehearse, table, write_urls

EVIL = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    '=HYPERLINK("http://e.com")',
)
EVIL_COLUMN = '<script>"'
EVIL_URL = "javascript:window.pwned=1//<b onmouseover=window.pwned=1>"
VOID = {"meta", "br", "input", "image", "path", "rect", "img"}


@dataclass
class Parsed(HTMLParser):
    """What a page consists of."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin."""
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Take a text, but no style sheet."""
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(data.strip())


@dataclass(frozen=True)
class Reported:
    """A run of photographs, and its report."""

    output: Path
    page: Path

    @property
    def html(self) -> str:
        """The page's source."""
        return self.page.read_text()


@pytest.fixture(scope="module")
def reported(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Annotate photographs with hostile ids and columns; then lose one, shrink one, and replace one."""
    folder = tmp_path_factory.mktemp("report")
    names = ("gone.png", "smaller.png", "other.png")
    for name in names:
        (folder / name).write_bytes((photos / "astronaut.png").read_bytes())
    rows = [(name, folder / name, "") for name in names]
    rows += [
        (text, photos / name, text)
        for text, name in zip(EVIL, ("obama.jpg", "biden.jpg", "chelsea.png"), strict=True)
    ]
    with (folder / "m.csv").open("w") as file:
        csv.writer(file).writerows(
            [("image_id", "image_url", EVIL_COLUMN), *rows, ("dead", EVIL_URL, EVIL[1])]
        )
    finished = annotate(folder / "m.csv", folder / "out", "--allow-local-files", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    (folder / "gone.png").unlink()
    with Image.open(folder / "smaller.png") as image:
        image.resize((256, 256)).save(folder / "smaller.png")
        image.resize((400, 256)).save(folder / "other.png")
    finished = facebeam("report", "--output", folder / "out", "--log-format", "json")
    assert finished.returncode == 0, finished.stderr
    said = json.loads(finished.stderr.splitlines()[-1])
    return Reported(folder / "out", Path(said["report"]))


@pytest.fixture(scope="module")
def parsed(reported: Reported) -> Parsed:
    """Parse the page."""
    parser = Parsed()
    parser.feed(reported.html)
    return parser


def test_the_page_lies_beside_the_record_of_its_run(reported: Reported) -> None:
    """The report is `report.html` in the run's own folder, and only its owner can read it."""
    assert reported.page == reported.output / "_runs/one/report.html"
    assert reported.page.stat().st_mode & 0o777 == 0o600


def test_the_page_has_the_counts_and_the_way_to_replay(parsed: Parsed) -> None:
    """The page shows rows, outcomes, and for each code its meaning, its cure, a message and a command."""
    text = "\n".join(parsed.texts)
    for shown in (
        "7 rows",
        "5 with faces (71.4 %)",
        "1 no face (14.3 %)",
        "1 dead letters (14.3 %)",
        "Cure: correct the URL",
    ):
        assert shown in text
    assert re.search(r"facebeam replay --output \S+ --run one --codes not_found", text)


def test_what_users_wrote_is_text_and_nothing_else(parsed: Parsed) -> None:
    """Hostile ids, columns and URLs are shown, but there is no script, no handler, no link and no formula."""
    text = "\n".join(parsed.texts)
    assert all(evil in text for evil in (*EVIL, EVIL_COLUMN))
    assert EVIL_URL.partition("//")[0] in text
    assert not {"script", "iframe", "object", "embed", "form", "a", "link", "base", "img", "b"} & {
        *parsed.tags
    }
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert not [line for line in text.splitlines() if line.startswith(("=", "+", "@"))]
    leads_out = [
        value for name, value in parsed.attributes if name in {"href", "src", "xlink:href", "action", "data"}
    ]
    assert leads_out
    assert all(value.startswith("data:image/jpeg;base64,") for value in leads_out)


def test_the_page_forbids_what_it_does_not_need(reported: Reported, parsed: Parsed) -> None:
    """A policy forbids scripts and everything from elsewhere, and no style asks for it."""
    policy = next(value for name, value in parsed.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'; img-src data:" in policy
    assert "script-src" not in policy
    assert not re.search(r"url\(|@import", reported.html)


def test_what_cannot_be_fetched_is_a_tile_with_the_reason(parsed: Parsed) -> None:
    """A deleted image and one of another shape have a reason for a picture; a shrunk one has both."""
    text = "\n".join(parsed.texts)
    assert "not_found: " in text
    assert "the image is 400 x 256 pixels now, and was 512 x 512 when it was annotated" in text
    assert "the image is 256 x 256 pixels now, and was 512 x 512 when it was annotated" in text
    assert parsed.attributes.count(("class", "gone")) == 2 * 2  # lowest scores, and the random sample
    assert parsed.tags.count("image") == 2 * 3 + 1  # ... and the one without a face


def test_pictures_are_jpegs_and_points_are_those_of_the_table(reported: Reported, parsed: Parsed) -> None:
    """Every point of every face that is shown stands in the page as in the table, in pixels of the image."""
    pictures = [value for name, value in parsed.attributes if name == "href"]
    assert all(b64decode(value.partition(",")[2]).startswith(b"\xff\xd8\xff") for value in pictures)
    drawn = [value for name, value in parsed.attributes if name == "d"]
    shown = np.array([point for path in drawn for point in re.findall(r"M(\S+) (\S+?)h0", path)], float)
    faces = table(reported.output, "faces")
    expected = face_points(faces[~faces["image_id"].isin(["gone.png", "other.png"])])
    twice = np.concatenate([expected, expected]).reshape(-1, 2)  # lowest scores, and the random sample
    assert np.allclose(sorted(map(tuple, shown)), sorted(map(tuple, np.round(twice, 1))), atol=0.11)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start Chromium."""
    with chromium_page(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window_and_asks_for_nothing(browser: Page, reported: Reported, width: int) -> None:
    """In Chromium nothing is wider than the window, nothing is requested, and no hostile text has run."""
    browser.open(reported.page, width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert {url.partition(":")[0] for url in browser.requested} <= {"file", "data"}
    assert [url for url in browser.requested if url.startswith("file:")] == [reported.page.as_uri()]
    assert browser.value("typeof window.pwned") == "undefined"


def test_light_and_dark_are_as_the_user_prefers(browser: Page, reported: Reported) -> None:
    """Paper is light for one user and dark for the other, and ink is the opposite."""
    shades = {}
    for scheme in ("light", "dark"):
        browser.open(reported.page, 1280, scheme)
        style = "getComputedStyle(document.body)"
        colours = [browser.value(f"{style}.{name}") for name in ("backgroundColor", "color")]
        shades[scheme] = [sum(map(int, re.findall(r"\d+", colour))) for colour in colours]
    assert shades["light"][0] > 600
    assert shades["light"][1] < 300
    assert shades["dark"][0] < 300
    assert shades["dark"][1] > 600


def test_points_lie_on_the_pictures(browser: Page, reported: Reported) -> None:
    """On the screen, the middle of each face's pupils lies within its picture."""
    browser.open(reported.page, 1280)
    inside = browser.value("""
        [...document.querySelectorAll('figure svg')].map(svg => {
            const frame = svg.querySelector('image').getBoundingClientRect();
            return [...svg.querySelectorAll('path.pupils')].every(path => {
                const at = path.getBoundingClientRect();
                const isBeside = at.x < frame.x || at.right > frame.right;
                return !isBeside && at.y >= frame.y && at.bottom <= frame.bottom;
            });
        })
    """)
    assert len(inside) == 2 * 3 + 1
    assert all(inside)


def test_a_region_can_be_switched_off_and_on(browser: Page, reported: Reported) -> None:
    """Unticking a region hides its points and no others; ticking it shows them again."""
    browser.open(reported.page, 1280)
    shown = "['mouth', 'nose'].map(name => getComputedStyle(document.querySelector('path.' + name)).display)"
    click = "document.getElementById('show-mouth').click()"
    states = [browser.value(shown), browser.value(f"{click}; {shown}"), browser.value(f"{click}; {shown}")]
    assert states == [["inline", "inline"], ["none", "inline"], ["inline", "inline"]]


def test_scores_have_a_plot_and_the_lowest_ones_come_first(tmp_path: Path) -> None:
    """If `faces` has scores and poses, the page plots them and begins with the least certain faces."""
    rehearse(
        write_urls(tmp_path / "a.txt", [f"https://example.com/{i}.jpg" for i in range(20)]), tmp_path / "out"
    )
    (path,) = (tmp_path / "out/faces").glob("*/*.parquet")
    faces = pq.ParquetFile(path).read()
    scores = [round(0.5 + 0.01 * i, 2) for i in range(len(faces))]
    for name, values in {"score": scores[::-1], "yaw_deg": [12.0] * len(faces)}.items():
        place = faces.schema.get_field_index(name)
        faces = faces.set_column(
            place, faces.schema.field(name), pa.array(values, faces.schema.field(name).type)
        )
    pq.write_table(faces, path)
    html = report(tmp_path / "out", "--images", 16)
    assert [float(score) for score in re.findall(r"score ([\d.]+)", html)][:4] == scores[:4]
    assert html.index("Lowest scores") < html.index("Random sample")
    assert "Yaw: turned left or right" in html


def report(output: Path, *flags: object) -> str:
    """Make a report; give its page."""
    finished = facebeam("report", "--output", output, *flags)
    assert finished.returncode == 0, finished.stderr
    (page,) = (output / "_runs").glob("*/report.html")
    return page.read_text()


def test_without_pictures_nothing_is_fetched(tmp_path: Path) -> None:
    """`--images 0` makes a page of numbers only, without a score if the table has none."""
    rehearse(write_urls(tmp_path / "a.txt", ["https://example.com/b0.jpg"]), tmp_path / "out")
    html = report(tmp_path / "out", "--images", 0)
    assert "1 with faces" in html
    assert "<figure" not in html
    assert "Scores" not in html


def test_a_run_in_which_everything_failed_has_a_report(tmp_path: Path) -> None:
    """A run without any answer has a page with its dead letters, and no picture."""
    rehearse(write_urls(tmp_path / "a.txt", ["https://example.com/fail-timeout/a.jpg"]), tmp_path / "out")
    html = report(tmp_path / "out")
    assert "timeout: 1" in html
    assert "<figure" not in html


@pytest.mark.parametrize("command", ["report", "compare --with one", "export --format coco --to new"])
def test_a_damaged_record_is_named(tmp_path: Path, command: str) -> None:
    """A committed run whose record cannot be read exits with 2 and the record's path."""
    rehearse(write_urls(tmp_path / "a.txt", ["https://example.com/b0.jpg"]), tmp_path / "out")
    (record,) = (tmp_path / "out/_runs").glob("*/run.json")
    record.write_text('{"run_id": ')
    finished = facebeam(*command.split(), "--output", tmp_path / "out", cwd=tmp_path)
    assert finished.returncode == 2
    assert f"{record} is damaged (JSONDecodeError): restore it, or delete that run's" in finished.stderr


def test_a_page_that_does_not_fit_on_the_disk_is_not_left(tmp_path: Path) -> None:
    """A page that cannot be written in whole exits with 2, and the page of before stays."""
    rehearse(write_urls(tmp_path / "a.txt", ["https://example.com/b0.jpg"]), tmp_path / "out")
    page = report(tmp_path / "out", "--images", 0)
    command = f"{FACEBEAM} report --output {tmp_path}/out --images 0"
    limited = ["/bin/bash", "-c", f"ulimit -f 4; exec {command}"]
    finished = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert (finished.returncode, "cannot write" in finished.stderr) == (2, True)
    (left,) = (tmp_path / "out/_runs").glob("*/report.html*")
    assert left.read_text() == page


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("latest", "has no committed run: give the --output of a committed run"),
        ("two", "has no committed run two. 'facebeam runs' lists"),
    ],
)
def test_a_run_that_is_not_there_is_said(tmp_path: Path, run: str, said: str) -> None:
    """An output without runs, and a run that was killed before its commit, exit with 2."""
    if run == "two":
        for run_id in ("one", "two"):
            urls = write_urls(tmp_path / "a.txt", ["https://example.com/b0.jpg"])
            rehearse(urls, tmp_path / "out", "--run-id", run_id)
        (tmp_path / "out/_runs/two/_SUCCESS").unlink()
    finished = facebeam("report", "--output", tmp_path / "out", "--run", run)
    assert finished.returncode == 2
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
