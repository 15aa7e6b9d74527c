"""Fetch the example's photographs: `python examples/fetch_photos.py FOLDER`.

Two packages on PyPI contain them. The script unpacks these packages, never installs them, and checks the
sha256 of each file. astronaut.png is from NASA, rocket.jpg from SpaceX (both public domain), chelsea.png and
coffee.png are CC0; the others are official portraits that come with face_recognition (MIT).
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from facebeam.transforms.local_model.pypi_archive import download_members

SCIKIT_IMAGE = {
    "skimage/data/astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "skimage/data/chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "skimage/data/coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "skimage/data/rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
_AT = "face_recognition-1.3.0/tests/test_images/"
FACE_RECOGNITION = {
    f"{_AT}32bit.png": "44dca895a7d635a4aedddd91a4f37af9a8a5b44e66154282a24645a757b5f627",
    f"{_AT}biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    f"{_AT}obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    f"{_AT}obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    f"{_AT}obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    f"{_AT}obama_partial_face.jpg": "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
    f"{_AT}obama_partial_face2.jpg": "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
}


def main(folder: Path) -> None:
    """Put the eleven photographs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = download_members("scikit-image==0.26.0", SCIKIT_IMAGE)
    photos |= download_members("face_recognition==1.3.0", FACE_RECOGNITION, sdist=True)
    for member, content in photos.items():
        (folder / Path(member).name).write_bytes(content)
    print(f"{len(photos)} photographs are in {folder}")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder for the photographs")
    main(parser.parse_args().folder)
