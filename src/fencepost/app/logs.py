"""What the service says of itself on stderr: one event a line, as JSON or for people; never a message's content."""

import logging
import sys
from typing import Literal

import structlog

QUIET = ("uvicorn", "alembic", "sqlalchemy", "httpx2", "httpcore2")
"""Libraries of which only what is wrong is of interest."""


def set_up_logs(level: str, form: Literal["json", "text", "auto"]) -> None:
    """Send all logs to stderr, from `level` on; `auto` is text on a terminal, else JSON."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
