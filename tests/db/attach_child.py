"""A process that attaches to the server of a home, says so, and stays until its standard input ends."""

import sys
from pathlib import Path

from engine.db import embedded

server = embedded.start(Path(sys.argv[1]))
print((server.data / "postmaster.pid").read_text().split()[0], flush=True)
sys.stdin.read()
