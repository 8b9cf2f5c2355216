"""Every limit of the runtime, once. (Limits of the formula language stand in `metamodel/formula/limits.py`.)"""

from __future__ import annotations

BODY_BYTES = 10 * 1024 * 1024
JSON_DEPTH = 32
QUERY_STRING_BYTES = 16 * 1024
PAGE_DEFAULT = 50
PAGE_MAX = 200
BATCH_MAX = 1_000
REPORT_ROWS = 100_000
IMPORT_BATCH = 1_000
TEXT_DEFAULT = 255
LONG_TEXT_DEFAULT = 65_536
TAG_LENGTH = 50
TAGS_MAX = 50
FILE_BYTES = 100 * 1024 * 1024
FILES_MAX = 20
FILE_HOURS = 24
FILE_SWEEP_SECONDS = 3_600.0
JSON_FIELD_BYTES = 256 * 1024
NUMBER_DIGITS = 38
NUMBER_SCALE = 18
STATEMENT_SECONDS = 10
IMPORT_STATEMENT_SECONDS = 120
LOCK_MILLISECONDS = 100
RELEASE_SECONDS = 2.0
"""After which every process follows a published release: it polls each second where no notification comes."""
IDEMPOTENCY_HOURS = 24
SESSION_HOURS = 12
LOGIN_ATTEMPTS = 5
LOGIN_ATTEMPTS_PEER = 50
LOGIN_WINDOW_SECONDS = 300
PASSWORD_MIN = 8
PASSWORD_MAX = 256
TOKEN_NAME_MAX = 80
CREDENTIAL_CACHE_SECONDS = 5
COMPILED_STATEMENTS = 4_096
PREPARED_STATEMENTS = 512
RUN_ATTEMPTS = 5
RUN_DEPTH = 5
RUN_PAUSE_SECONDS = 2.0
RUN_LEASE_SECONDS = 5.0
RUN_SWEEP_SECONDS = 10.0
TIMER_SWEEP_SECONDS = 5.0
TIMER_PAGE = 1_000
TIMER_OVERLAP_SECONDS = 600.0
"""How late a record may be committed for its moment to be seen: longer than any statement takes."""
TIMER_REST_SECONDS = 60.0
"""How long a watermark may stay behind where nothing is due."""
TABLE_COLUMNS = 1_000
SHEET_CELLS = 20_000_000
SHEET_BYTES = 512 * 1024 * 1024
"""How much a workbook may unpack to."""
IMPORTS_AT_ONCE = 2
UNDO_BATCH = 200
IMPORT_DAYS = 90
"""How long finished imports, their files and their rows are kept."""
