"""What a file is, by its content: its media type, and what a picture says of itself."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath
from typing import IO, Any

import puremagic
from PIL import ExifTags, Image, ImageOps

PIXELS = 64_000_000
"""A picture of more is never decoded."""
PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp", "TIFF": "image/tiff"}
"""The formats of pictures that are read, and their media types."""
HEAD = 8_192
UNKNOWN = "application/octet-stream"
TEXTS = ("text/", "application/json", "application/xml")
ALIASES = {**dict.fromkeys(("audio/x-wav", "audio/wave", "audio/vnd.wave"), "audio/wav"), "audio/x-m4a": "audio/mp4"}
Facts = dict[str, Any]


def media_type(head: bytes, name: str) -> str:
    """The type of a file by its first bytes; its name only chooses among the types that have these bytes in common."""
    named = ALIASES.get(guessed := mimetypes.guess_type(name)[0] or "", guessed)
    suffix = PurePath(name).suffix.lower()
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        found = []
    types = [(ALIASES.get(m.mime_type, m.mime_type) or mimetypes.types_map.get(m.extension, ""), m) for m in found]
    known = [(type_, m) for type_, m in types if type_]
    for type_, match in known:
        if type_ == named or match.extension == suffix:
            return type_
    if known and not _is_text(head):
        return known[0][0]
    if _is_text(head):
        return named if named.startswith(TEXTS) else "text/plain"
    return UNKNOWN


def _is_text(head: bytes) -> bool:
    if not head or b"\0" in head:
        return False
    with suppress(UnicodeDecodeError):
        # The last character may be cut.
        head[: len(head) - 3].decode()
        return True
    return False


def described(file: IO[bytes], type_: str) -> tuple[str, Facts]:
    """The type and facts of an uploaded file; what calls itself a picture and can not be read as one is none.

    The facts of a picture: `width` and `height` in pixels as it is seen, and from its EXIF `taken_at` (ISO 8601, with
    an offset where it is known), `latitude` and `longitude` in degrees.
    """
    if type_ not in PICTURES.values():
        return type_, {}
    try:
        file.seek(0)
        with Image.open(file, formats=list(PICTURES)) as picture:
            if picture.width * picture.height > PIXELS:
                return UNKNOWN, {}
            exif = picture.getexif()
            turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            size = (picture.height, picture.width) if turned else (picture.width, picture.height)
            return PICTURES[picture.format or ""], {"width": size[0], "height": size[1], **_from_exif(exif)}
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError):
        return UNKNOWN, {}


def _from_exif(exif: Image.Exif) -> Facts:
    facts: Facts = {}
    inner, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    with suppress(ValueError, TypeError):
        taken = datetime.strptime(str(inner.get(ExifTags.Base.DateTimeOriginal)), "%Y:%m:%d %H:%M:%S")
        facts["taken_at"] = taken.isoformat() + str(inner.get(ExifTags.Base.OffsetTimeOriginal, "")).strip("\0 ")
    with suppress(ValueError, TypeError, KeyError, ZeroDivisionError):
        facts |= {"latitude": _degrees(place, 2, "S", 90), "longitude": _degrees(place, 4, "W", 180)}
    return facts


def _degrees(place: Mapping[int, Any], tag: int, negative: str, most: int) -> float:
    """Degrees of the EXIF's three numbers and the letter before them (EXIF 2.32, 4.6.6)."""
    degrees, minutes, seconds = (float(part) for part in place[tag])
    total = degrees + minutes / 60 + seconds / 3600
    if not 0 <= total <= most:
        raise ValueError(total)
    return round(-total if place[tag - 1] == negative else total, 6)


def thumbnail(content: bytes, size: int) -> bytes | None:
    """The picture as WebP, turned upright, at most `size` pixels wide and high; None where it can not be read."""
    try:
        with Image.open(io.BytesIO(content), formats=list(PICTURES)) as picture:
            if picture.width * picture.height > PIXELS:
                return None
            picture.draft("RGB", (size, size))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((size, size))
            out = io.BytesIO()
            upright.convert("RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB").save(
                out, "WEBP", quality=80
            )
            return out.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
