"""Images of rows as files.

Whatever names an image (path, base64, bytes) becomes images/<sha16>.png, checked that it is one.

``read_image`` reads them back, for training and evaluation alike; ``to_served`` puts them into the messages for a
server.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.data.rows import Message, Row, SourceRow

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 50 << 20
MAX_PIXELS = 40_000_000  # a photo of today; a picture that unpacks to more is refused before it is unpacked
KEYS = ("messages", "prompt", "chosen", "rejected", "completion")


def get_image_parts(row: Row) -> Iterator[SourceRow]:
    """The image parts of a row, to be changed in place."""
    for key in KEYS:
        turns = row.get(key)
        for turn in turns if isinstance(turns, list) else ():
            if type(turn) is dict and type(turn.get("content")) is list:
                yield from (part for part in turn["content"] if part.get("type") == "image")


def has_parts(row: Row) -> bool:
    """Whether some turn of a row holds parts instead of text: called for every row, so it does little."""
    for key in ("messages",) if "messages" in row else KEYS[1:]:
        turns = row.get(key)
        if type(turns) is list:
            for turn in turns:
                if type(turn["content"]) is list:
                    return True
    return False


def store_images(row: Row, source: Path, target: Path) -> None:
    """Write the pictures of a row and put their paths into its parts.

    Args:
        row: changed in place; its parts then name ``images/<sha16>.png``.
        source: folder that relative paths start from; none may lead out of it.
        target: folder to write to.

    Raises:
        ValueError: no picture, none there, too large, or a path that leads out of the folder.
    """
    for part in get_image_parts(row):
        data = _load(part["image"], source)
        name = hashlib.sha256(data).hexdigest()[:16] + ".png"
        if not (target / name).is_file():
            _write(data, target, name)
        part["image"] = f"images/{name}"


def _load(value: object, source: Path) -> bytes:
    """The bytes that ``value`` holds or names: {"bytes", "path"}, bytes, data URL, base64, PIL image or path."""
    if isinstance(value, dict):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if isinstance(value, bytes | bytearray):
        data = bytes(value)
    elif hasattr(value, "save") and hasattr(value, "tobytes"):
        buffer = io.BytesIO()
        value.save(buffer, "PNG")
        data = buffer.getvalue()
    elif not isinstance(value, str) or not value.strip():
        raise ValueError("an image is empty or missing")
    elif value.startswith("data:"):
        data = _decode(value.partition(",")[2])
    elif value.startswith(("http://", "https://")):
        raise ValueError(f"the image is a web address ({value[:80]}): download the pictures and give their paths")
    elif len(value) > 400 or "." not in value[-6:]:
        data = _decode(value)
    else:
        data = _read(value, source)
    if len(data) > MAX_BYTES:
        raise ValueError(f"an image has {len(data) >> 20} MB, at most {MAX_BYTES >> 20} are taken")
    return data


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise ValueError("an image is neither a path nor base64") from error


def _read(value: str, source: Path) -> bytes:
    file = Path(value)
    if ".." in file.parts:
        raise ValueError(f"the image path {value} leads out of the folder of the data")
    path = file if file.is_absolute() else source / file
    if not file.is_absolute() and not path.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"the image path {value} leads out of the folder of the data")
    if not path.is_file() and not file.is_absolute() and file.parts[0] == source.resolve().name:
        path = source / Path(*file.parts[1:])  # relative to the folder above, as LLaMA-Factory has it
    if not path.is_file():
        raise ValueError(f"there is no image {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the image {value} has {path.stat().st_size >> 20} MB, at most {MAX_BYTES >> 20} are taken")
    return path.read_bytes()


def _write(data: bytes, target: Path, name: str) -> None:
    import PIL.Image
    from PIL import ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ValueError(
                    f"an image has {width} x {height} pixels, at most {MAX_PIXELS // 1_000_000} million are taken"
                )
            upright = ImageOps.exif_transpose(image)
            ready = upright if upright.mode in ("L", "RGB", "RGBA") else upright.convert("RGB")
            target.mkdir(parents=True, exist_ok=True)
            temporary = target / f".{name}"
            ready.save(temporary, "PNG")
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"an image is no picture that can be read: {str(error)[:100]}") from error
    temporary.replace(target / name)


def read_image(file: Path, shortest: int = 1, longest: int = MAX_PIXELS) -> Image:
    """An image as RGB, its long side between two sizes in pixels, its proportions kept; by default as it is."""
    import PIL.Image

    with PIL.Image.open(file) as opened:
        image = opened.convert("RGB")
    side = max(image.size)
    wanted = min(max(side, shortest), longest)
    if wanted == side:
        return image
    return image.resize([max(1, round(size * wanted / side)) for size in image.size], PIL.Image.Resampling.LANCZOS)


def to_served(messages: list[Message], folder: Path, shortest: int = 1, longest: int = MAX_PIXELS) -> list[Message]:
    """Messages as the OpenAI interface takes them.

    Pictures as data URLs (PNG, so without loss), sized as ``read_image`` does.
    """

    def get_part(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("type") != "image":
            return part
        data = io.BytesIO()
        read_image(folder / part["image"], shortest, longest).save(data, "PNG")
        return {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"},
        }

    return [
        {**turn, "content": [get_part(part) for part in turn["content"]]}
        if isinstance(turn.get("content"), list)
        else turn
        for turn in messages
    ]
