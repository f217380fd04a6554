"""Logs as JSON, one object a line.

No message of an exception is written: it may hold what a document says.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

QUIET = (
    "mcp",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "uvicorn.access",
    "sentence_transformers",
    "transformers",
)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, where it comes from, what happened, and its
    fields.
    """

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__qualname__
            said["at"] = "".join(traceback.format_tb(record.exc_info[2])[-12:])
        return _encode(said)


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def configure(level: str) -> None:
    """Sends every log of the process to standard error."""
    # nothing of it is written, and to find it out costs each record as much as to write it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the same for the place in the code
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
