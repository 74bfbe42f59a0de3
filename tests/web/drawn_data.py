"""Small datasets that tests of the pages about data draw."""

import io
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

_XML = """<annotation><filename>{name}</filename><size><width>{width}</width><height>{height}</height></size>
<object><name>{label}</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>
</object></annotation>"""


def draw_voc(folder: Path, count: int = 8, labels=("cat", "dog"), size=(120, 90)) -> Path:
    """`count` noisy images with an xml each; the boxes of the even ones are 20 x 20 pixels, the others' 100 x 80."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
        name = f"picture_{number:02d}.jpg"
        Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(folder / name)
        side = (20, 20) if number % 2 == 0 else (100, 80)
        box = {"xmin": 5, "ymin": 4, "xmax": 5 + side[0], "ymax": 4 + side[1]}
        text = _XML.format(name=name, width=size[0], height=size[1], label=escape(labels[number % len(labels)]), **box)
        (folder / name).with_suffix(".xml").write_text(text)
    return folder


def zip_of(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these names and contents."""
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w", compression) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return made.getvalue()


def zipped(folder: Path, top: str = "") -> bytes:
    """A zip of the files in a folder, in a folder `top` of the zip."""
    return zip_of({f"{top}{path.name}": path.read_bytes() for path in sorted(folder.iterdir())})
