"""What the benchmarks' command lines have in common: progress, percentiles, a folder of their own, and JSON."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all have: `--folder` and `--json`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the data goes; a temporary folder")
    parser.add_argument("--json", action="store_true")
    return parser


def run(
    parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace, Path], dict[str, Any]]
) -> None:
    """Measure in a folder that is gone afterwards, and print the report."""
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(
        prefix="fencepost-bench-", dir=arguments.folder, ignore_cleanup_errors=True
    ) as folder:
        report = measure(arguments, Path(folder))
    print(json.dumps(report, indent=None if arguments.json else 2))


def say(arguments: argparse.Namespace, text: str) -> None:
    """Tell a person how far it has come."""
    if not arguments.json:
        print(text, file=sys.stderr, flush=True)


def ms(seconds: Sequence[float], share: float) -> float:
    """Return the time, in milliseconds, below which a share of the times lies; 1.0 is the greatest."""
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0
