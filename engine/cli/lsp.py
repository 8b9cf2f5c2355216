"""`fieldwright lsp`: the language server that an editor starts."""

from __future__ import annotations

import logging
import sys

from engine.cli.console import Packs, pack_folders
from engine.lsp.server import server


def lsp(packs: Packs = None) -> None:
    """Serve packs and formulas to an editor over standard input and output."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    server(lambda beside: pack_folders(packs, beside)).start_io()
