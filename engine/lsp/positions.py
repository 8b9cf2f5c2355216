"""Between places (lines and columns from 1, in code points) and the protocol's positions (from 0, in client units)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec

from metamodel.issues import Place


def path_of(uri: str) -> Path | None:
    """The file of a URI; None where it is no file."""
    found = to_fs_path(uri)
    return Path(found).resolve() if found else None


def uri_of(path: Path) -> str:
    return from_fs_path(str(path)) or path.as_uri()


def place_at(codec: PositionCodec, lines: Sequence[str], position: types.Position) -> tuple[int, int]:
    """Line and column of a position."""
    # The codec changes the position that it is given.
    asked = types.Position(position.line, position.character)
    found = codec.position_from_client_units(lines, asked)
    return found.line + 1, found.character + 1


def range_of(codec: PositionCodec, lines: Sequence[str], place: Place) -> types.Range:
    """The range of a place; a place outside of the text is at its end."""
    line = min(max(place.line, 1), len(lines)) - 1
    shown = lines[line] if lines else ""
    start = min(max(place.column, 1) - 1, len(shown))
    end = min(start + place.length, len(shown))
    return types.Range(
        types.Position(line, codec.client_num_units(shown[:start])),
        types.Position(line, codec.client_num_units(shown[: max(start, end)])),
    )


def span_of(codec: PositionCodec, text: str, start: int, end: int) -> types.Range:
    """The range of text[start:end]."""

    def position(offset: int) -> types.Position:
        before = text[:offset]
        return types.Position(before.count("\n"), codec.client_num_units(before[before.rfind("\n") + 1 :]))

    return types.Range(position(start), position(end))
