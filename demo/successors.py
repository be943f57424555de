"""`Successors`: the new versions that retraining brought, as the demo's platform sees them and treats them.

It does what a team's own platform would: a version that a job has trained gets a part of the requests, and
when Streamgauge says which of the two is better, that one gets all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streamgauge.demo.news import Line
from streamgauge.schemas.times import parse_time

Record = Mapping[str, Any]


@dataclass(slots=True)
class Successor:
    """`verdict` is the metric record that compares it with `old`: the first that decides, else the latest."""

    model: str
    old: str
    new: str
    request_id: str
    verdict: Record | None = None

    @property
    def since_us(self) -> int | None:
        """When it answered its first request, in event time; None before."""
        return None if self.verdict is None else parse_time(self.verdict["window"]["start"])

    @property
    def is_decided(self) -> bool:
        return self.verdict is not None and self.verdict["verdict"] != "undecided"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: `deploy` a version beside the one that is served, or `settle` for one of them."""

    what: Literal["deploy", "settle"]
    model: str
    version: str


class Successors:
    """Folds requests, answers and verdicts into news and orders."""

    def __init__(self) -> None:
        self.by_model: dict[str, Successor] = {}
        self._asked_of: dict[str, str] = {}
        self._orders: list[Order] = []

    def orders(self) -> list[Order]:
        """Those since the last call."""
        orders, self._orders = self._orders, []
        return orders

    def asked(self, request: Record) -> None:
        """A request was made."""
        self._asked_of[request["request_id"]] = request["version"]

    def answered(self, status: Record, now_us: int) -> list[Line]:
        """What a training job says."""
        request, model, state = (status[key] for key in ("request_id", "model", "state"))
        new, message = status.get("new_version"), status.get("message")  # absent where there is none
        if new is not None and model not in self.by_model and request in self._asked_of:
            self.by_model[model] = Successor(model, self._asked_of[request], new, request)
            self._orders.append(Order("deploy", model, new))
            state = f"{model} {new} is trained, and gets half of the requests"
        told = state if message is None else f"{state}: {message}"
        return [Line(now_us, "↻", f"{request}: {told}", "retrain")]

    def compared(self, record: Record) -> list[Line]:
        """A metric record that has a verdict."""
        found = self.by_model.get(record["model"])
        if found is None or found.is_decided or (found.old, found.new) != _versions(record):
            return []
        found.verdict = record
        if record["verdict"] == "undecided":
            return []
        stays = found.new if record["verdict"] == "better" else found.old
        self._orders.append(Order("settle", found.model, stays))
        text = f"{found.model}: {found.new} is {in_words(record)}; {stays} gets all requests from now on"
        return [Line(parse_time(record["window"]["end"]), "⇄", text, "ended")]


def in_words(record: Record) -> str:
    """What a comparison says of the challenger.

    >>> in_words({"metric": "accuracy_difference", "verdict": "better", "compared_with": "3",
    ...           "value": 0.31, "low": 0.2, "high": 0.42})
    'better than 3: accuracy +0.310 (+0.200 to +0.420)'
    """
    metric = record["metric"].removesuffix("_difference").replace("_", " ")
    word = record["verdict"] + (" whether better" if record["verdict"] == "undecided" else "")
    if record["value"] is None:
        return f"{word} than {record['compared_with']}: too few events yet"
    apart = f"{record['value']:+.3f} ({record['low']:+.3f} to {record['high']:+.3f})"
    return f"{word} than {record['compared_with']}: {metric} {apart}"


def _versions(record: Record) -> tuple[str, str]:
    return record["compared_with"], record["version"]
