"""Pictures to lines of text.

Home of rapidocr and Pillow; models come inside rapidocr's wheel, nothing is fetched.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from indexes.errors import SourceBroken, SourceEmpty, SourceTooCostly
from ingest.elements import Element
from ingest.partition import layout
from ingest.partition.context import ParseContext
from ingest.partition.layout import OcrBox
from ingest.partition.reading import ReadResult

LONG_SIDE = 2_400  # pixels; the detector works on 2,000 at most
MAX_PIXELS = 120_000_000
MIN_SIDE = 12
SMALL_SIDE = 400  # pixels; enough to tell a photograph from a page
# a picture of text: most of it one light or dark ground, and some of it letters
GROUND_SHARE = 0.5
INK_SHARE = (0.0005, 0.35)
INK_CONTRAST = 60  # of 255
SURE = 0.8  # a mean certainty below this makes a page worth turning
Pixels = NDArray[np.uint8]


def read_picture(path: Path, work: ParseContext) -> ReadResult:
    """A picture's text, frame by frame.

    Raises SourceBroken, SourceTooCostly, and SourceEmpty with OCR off.
    """
    if not work.options.ocr:
        raise SourceEmpty("It is a picture and OCR is off.", remedy="Set CLEARANCE_OCR=true.")
    try:
        with Image.open(path) as image:
            return list(_read_frames(image, work)), {}
    except (Image.DecompressionBombError, MemoryError) as error:
        raise SourceTooCostly("Its picture has too many pixels.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise SourceBroken(f"Its picture cannot be read: {error}.") from error


def _read_frames(image: Image.Image, work: ParseContext) -> Iterator[Element]:
    """Each a page; of an animation only the first, for its frames are one picture."""
    still = image.format in ("GIF", "WEBP")
    numbered = getattr(image, "n_frames", 1) > 1 and not still
    for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
        if not work.may_read_picture():
            break
        yield from read_pixels(to_pixels(frame), number if numbered else None)
        work.page_read()
        if still:
            break


def looks_like_text(pixels: Pixels) -> bool:
    """Whether a picture has one ground and something on it, unlike a photograph."""
    step = max(1, min(pixels.shape[:2]) // SMALL_SIDE)
    grey = pixels[::step, ::step].mean(axis=2)
    counts, edges = np.histogram(grey, bins=32, range=(0, 256))
    place = int(counts.argmax())
    ground = counts[max(0, place - 1) : place + 2].sum() / max(1, grey.size)
    middle = (edges[place] + edges[place + 1]) / 2
    ink = float((np.abs(grey - middle) > INK_CONTRAST).mean())
    return bool(ground >= GROUND_SHARE and INK_SHARE[0] <= ink <= INK_SHARE[1])


def to_pixels(image: Image.Image) -> Pixels:
    """RGB pixels, upright as the camera noted, at most LONG_SIDE long."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{image.width} x {image.height}")
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "P", "PA"):  # text on nothing is text on white
        layered = upright.convert("RGBA")
        upright = Image.new("RGBA", layered.size, "white")
        upright.alpha_composite(layered)
    elif upright.mode.startswith("I"):
        upright = upright.point(lambda value: value / 256).convert("L")
    upright = upright.convert("RGB")
    upright.thumbnail((LONG_SIDE, LONG_SIDE))
    return np.asarray(upright, dtype=np.uint8)


def read_pixels(image: Pixels, page: int | None) -> list[Element]:
    """The text of a picture in reading order, turned upright first if it lies on its side or
    on its head.
    """
    if min(image.shape[:2]) < MIN_SIDE:
        return []
    return list(layout.elements(_read_upright(image), page))


def _read_upright(image: Pixels) -> list[OcrBox]:
    boxes = _find_boxes(image)
    if not boxes:
        return []
    tall = sum(
        len(box.text)
        for box in boxes
        if box.height > 1.5 * (box.right - box.left) and len(box.text) > 1
    )
    if 2 * tall > sum(len(box.text) for box in boxes):
        turns: tuple[int, ...] = (1, 3)
    elif _certainty(boxes) < SURE:
        turns = (2,)
    else:
        return boxes
    return max(
        [boxes, *(_find_boxes(np.ascontiguousarray(np.rot90(image, turn))) for turn in turns)],
        key=_weight,
    )


def _weight(boxes: list[OcrBox]) -> float:
    """How much was read, and how surely; squared, because a page on its head gives as many letters,
    only wrong ones.
    """
    upright = [
        box for box in boxes if box.height <= 1.5 * (box.right - box.left) or len(box.text) < 2
    ]
    return sum(len(box.text) * box.score**2 for box in upright)


def _certainty(boxes: list[OcrBox]) -> float:
    return sum(box.score * len(box.text) for box in boxes) / max(
        1, sum(len(box.text) for box in boxes)
    )


def _find_boxes(image: Pixels) -> list[OcrBox]:
    found = _load_engine()(image[:, :, ::-1], use_cls=False)
    if found.boxes is None or not found.txts:
        return []
    return [
        OcrBox(
            text.strip(), float(score), *corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()
        )
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        if text.strip()
    ]


@cache
def _load_engine() -> Any:
    """The models, loaded at first use in a worker; one thread, because documents are the unit of
    parallel work.
    """
    from rapidocr import RapidOCR

    one = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(params={**one, "Global.log_level": "critical"})
