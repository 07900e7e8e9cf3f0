"""The log of the embedded stack: appended to, and bounded in size."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from service_kit.telemetry.logging import configure_logging

MAX_BYTES: Final = 10_000_000
BACKUP_COUNT: Final = 3
"""How many older files are kept, as ``suite.log.1`` (the newest of them) and so on."""


def log_to_file(path: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Append every log line of this process to ``path`` from now on, as JSON; a full file is put aside."""
    configure_logging(service="embedded")
    root = logging.getLogger()
    handler = RotatingFileHandler(
        path, maxBytes=max_bytes, backupCount=BACKUP_COUNT, encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(root.handlers[0].formatter)
    root.handlers = [handler]
    # A line that cannot be written, as on a full disk, must not become a traceback on the terminal.
    logging.raiseExceptions = False
