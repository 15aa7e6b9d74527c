"""Measure what `facebeam serve` costs beside the networks: `python -m benchmarks.serve`.

The input is one photograph with one face, 572 x 562 pixels. Three things are measured on two cores, in turns:

    networks  two processes that only run the networks over prepared arrays, as often as the face needs them
    model     two processes that only decode the photograph and find its face
    serve     `facebeam serve --workers 2`, called over keep-alive connections; it downloads each photograph

The figures are images per second on both cores, and CPU per image, which other work on the machine disturbs
less. The callers and the web server with the photograph run on the same two cores: their CPU is not counted,
but they slow the server down.
"""

import io
import json
import os
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.processes import machine
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.detect_faces import sides
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.weights import DETECTOR, MESH
from tests.helpers.face_server import BEARER, FaceServer, face_server
from tests.helpers.scripted_server import ScriptedServer

SIZE = (572, 562)
PROCESSES = 2
CALLERS = 6
IMAGES = 240
"""Number of images per measurement."""
ROUNDS = 7
BAR = 0.85


class Speed(NamedTuple):
    """The figures of one measurement."""

    images_per_s: float
    cpu_ms: float
    """CPU per image in ms, of all processes together."""

    def __str__(self) -> str:
        return f"{self.images_per_s:.1f} images/s at {self.cpu_ms:.1f} ms of CPU"


Round = tuple[Speed, Speed, Speed]
"""Networks, model, serve."""


def main(photo: Path = Path(".photos/obama.jpg")) -> None:
    """Measure the three things in turns; print each round and the medians."""
    data = _photograph(photo)
    print(f"{IMAGES} images of {SIZE[0]} x {SIZE[1]} with one face, {len(data)} bytes; {machine()}")
    with (
        ScriptedServer({"/face.jpg": lambda exchange: exchange.answer(data)}) as images,
        face_server("--allow-private-urls", "--workers", str(PROCESSES)) as server,
    ):
        _serve_speed(server, images.url("/face.jpg"))  # warm-up
        rounds = [_round(data, server, images.url("/face.jpg")) for _ in range(ROUNDS)]
    for against, name in enumerate(("networks", "model")):
        speed = median(found[2].images_per_s / found[against].images_per_s for found in rounds)
        cpu = median(found[against].cpu_ms / found[2].cpu_ms for found in rounds)
        print(f"serve / {name}: {speed:.3f} by images per second, {cpu:.3f} by CPU (bar {BAR})")


def bare_networks(data: bytes, images: int, start: Barrier) -> tuple[float, float]:
    """Run the networks as often as this many photographs need them; give seconds, and seconds of CPU."""
    detector, mesh = Network(DETECTOR), Network(MESH)
    pixels = decode_image(data).pixels
    look_side, _ = sides(max(SIZE))
    blocks = [-(-round(length * look_side / max(SIZE)) // 32) * 32 for length in pixels.size[::-1]]
    seen = np.zeros((*blocks, 3), np.float32)
    crop = np.zeros((mesh.side, mesh.side, 3), np.float32)

    def look() -> None:
        detector.run(seen)
        for _ in range(2):
            mesh.run(crop)

    return _seconds(look, images, start)


def bare_model(data: bytes, images: int, start: Barrier) -> tuple[float, float]:
    """Decode this many photographs and find their faces; give seconds, and seconds of CPU."""
    model = FaceModel()
    return _seconds(lambda: model.find_faces(decode_image(data)), images, start)


def _round(data: bytes, server: FaceServer, url: str) -> Round:
    networks, model = _bare_speed(bare_networks, data), _bare_speed(bare_model, data)
    served = _serve_speed(server, url)
    print(f"networks {networks}; model {model}; serve {served}")
    return networks, model, served


def _seconds(look: Callable[[], object], images: int, start: Barrier) -> tuple[float, float]:
    look()
    start.wait()
    started, started_cpu = time.monotonic(), time.process_time()
    for _ in range(images):
        look()
    return time.monotonic() - started, time.process_time() - started_cpu


def _bare_speed(bare: Callable[[bytes, int, Barrier], tuple[float, float]], data: bytes) -> Speed:
    context = get_context("spawn")
    with context.Manager() as shared, context.Pool(PROCESSES) as pool:
        start = shared.Barrier(PROCESSES)
        work = [(data, IMAGES // PROCESSES, start)] * PROCESSES
        walls_s, cpus_s = zip(*pool.starmap(bare, work, chunksize=1), strict=True)
    return Speed(IMAGES / max(walls_s), sum(cpus_s) / IMAGES * 1000)


def _serve_speed(server: FaceServer, url: str) -> Speed:
    body = json.dumps({"image_url": url}).encode()

    def call(images: int) -> None:
        connection = HTTPConnection(server.origin.removeprefix("http://"))
        for _ in range(images):
            connection.request("POST", "/face/analyze", body, BEARER)
            response = connection.getresponse()
            assert response.status == 200
            response.read()
        connection.close()

    started, started_cpu = time.monotonic(), _cpu_s(server)
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(call, [IMAGES // CALLERS] * CALLERS))
    wall_s = time.monotonic() - started
    return Speed(IMAGES / wall_s, (_cpu_s(server) - started_cpu) / IMAGES * 1000)


def _cpu_s(server: FaceServer) -> float:
    """Read the CPU time of the server and its workers so far: fields 14 and 15 of stat in proc(5)."""
    stats = [Path(f"/proc/{each}/stat").read_text() for each in (server.process.pid, *server.worker_ids())]
    ticks = sum(int(field) for stat in stats for field in stat.rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _photograph(path: Path) -> bytes:
    written = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize(SIZE).save(written, "JPEG", quality=90)
    return written.getvalue()


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
