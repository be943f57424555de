"""`streamgauge replay`: files of events through the same core as the worker's."""

import argparse
import json
import sys
from pathlib import Path

from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import Message
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.times import EARLIEST_US
from streamgauge.streams.core.partition import CoreSettings
from streamgauge.streams.definitions import check
from streamgauge.streams.replay import definitions_as_control, replay

_EXAMPLES = """\
example:
  streamgauge replay --predictions predictions.jsonl --ground-truth labels.jsonl \\
      --monitors monitors.yaml --out replayed

Files are JSONL, an event a line, in the JSON form of the topics. They are merged by event time, and event
times are taken as they are: one far in the future ends every window and alert before it.
DIR receives metrics.jsonl, alerts.jsonl, retrain-requests.jsonl and dead-letters.jsonl; the same
input gives the same bytes. A dead letter's offset is the line it came from.
Exit codes: 0 replayed, whatever was found in the files, 1 failed, 2 wrong use.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `replay`."""
    parser.epilog = _EXAMPLES
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE", help="JSONL predictions")
    parser.add_argument("--ground-truth", type=Path, metavar="FILE", help="JSONL labels")
    parser.add_argument("--monitors", type=Path, metavar="FILE", help="YAML definitions and fleet document")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")


def run(args: argparse.Namespace) -> int:
    """0 when the files were replayed, whatever was found in them."""
    fleet = Fleet()
    control: tuple[Message, ...] = ()
    if args.monitors is not None:
        try:
            text = args.monitors.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot read {args.monitors}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"cannot read {args.monitors}: it is not a text in UTF-8") from error
        checked = check(str(args.monitors), text)
        if checked.problems:
            raise ConfigurationError("\n".join(map(str, checked.problems)))
        fleet = checked.fleet or fleet
        documents = [definition.model_dump(mode="json") for definition in checked.definitions]
        control = definitions_as_control(
            [
                encode_control(
                    Define(actor="replay", time_us=EARLIEST_US, model=document["model"], document=document)
                )[0]
                for document in documents
            ]
        )
    files = [path for path in (args.predictions, args.ground_truth) if path is not None]
    total = sum(path.stat().st_size for path in files if path.is_file())
    bar = _Bar(total) if sys.stderr.isatty() else None
    counts = replay(
        args.predictions,
        args.ground_truth,
        args.out,
        CoreSettings(fleet=fleet, clock="events"),
        control,
        bar.show if bar else lambda _: None,
    )
    if bar:
        bar.close()
    if args.json:
        print(json.dumps(counts))
    else:
        print(
            f"{counts['applied']:,} events applied, {counts['dead_lettered']:,} refused: "
            f"{counts['metrics']:,} metrics, {counts['alerts']:,} alert records, "
            f"{counts['retrain-requests']:,} retrain requests in {args.out}"
        )
    return 0


class _Bar:
    """How far the files have been read, on one line of standard error."""

    def __init__(self, total: int) -> None:
        self.total = max(total, 1)
        self._shown = -1

    def show(self, read: int) -> None:
        percent = min(100, read * 100 // self.total)
        if percent != self._shown:
            self._shown = percent
            print(f"\rreplaying {percent:3d} % of {self.total / 1e6:,.1f} MB", end="", file=sys.stderr)

    def close(self) -> None:
        print(file=sys.stderr)
