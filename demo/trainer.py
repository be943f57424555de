"""The demo's training job, as a process: takes retrain requests, trains River models, answers.

``python -m streamgauge.demo.trainer FOLDER`` is started by the demo. It knows Kafka's address and the folder
that its models go to, nothing of the worker or of what went wrong.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import RetrainRequest
from streamgauge.clients.retrain import DataExpiredError, RetrainRequests
from streamgauge.clients.training_data import TrainingData
from streamgauge.demo.training import Candidate, train

#: When these were reasons, inputs are not what they were: that is mended where they come from.
UPSTREAM = frozenset({"drift", "data_quality"})


def refusal(request: Mapping[str, Any]) -> str | None:
    """Why a job should not learn from what a request names, if so.

    >>> refusal({"reasons": [{"monitor": "drift"}], "features": ["you_gov"]})
    'you_gov is not what it was: mend that upstream, a new model would learn it'
    >>> refusal({"reasons": [{"monitor": "concept_drift"}], "features": []})
    """
    if UPSTREAM.isdisjoint(reason["monitor"] for reason in request["reasons"]):
        return None
    features = ", ".join(request["features"][:3]) or "the input"
    return f"{features} is not what it was: mend that upstream, a new model would learn it"


def next_version(version: str) -> str:
    """What the successor of a version is called.

    >>> next_version("12")
    '13'
    """
    return str(int(version) + 1)


def verdict(model: str, data: TrainingData) -> tuple[Candidate | None, str]:
    """The new model if it is worth to be deployed, and what to say of it."""
    try:
        candidate = train(model, data)
    except ValueError as error:
        return None, str(error)
    return (candidate if candidate.is_better else None), str(candidate)


def answer(requests: RetrainRequests, request: RetrainRequest, folder: Path) -> None:
    """One request, from its acceptance to its end."""
    why = refusal(request.record)
    if why is not None:
        requests.declined(request, why)
        return
    requests.accept(request)
    try:
        data = requests.dataset(request)
    except DataExpiredError as error:
        requests.declined(request, str(error))
        return
    requests.started(request, f"{len(data):,} rows")
    candidate, said = verdict(request.model, data)
    if candidate is None:
        requests.failed(request, f"not deployed: {said}")
        return
    version = next_version(request.version)
    file_of(folder, request.model, version).write_text(json.dumps(candidate.model.to_json()))
    requests.succeeded(request, version, said)


def file_of(folder: Path, model: str, version: str) -> Path:
    """Where a trained model lies for those who serve it."""
    return folder / f"{model}-{version}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer requests until the process is stopped."""
    (folder,) = map(Path, sys.argv[1:] if arguments is None else arguments)
    folder.mkdir(exist_ok=True)
    connection = Connection.from_environment(os.environ)
    with RetrainRequests(connection, group_id="demo-trainer", start="earliest") as requests:
        for request in _as_they_come(requests):
            answer(requests, request, folder)
    return 0


def _as_they_come(requests: RetrainRequests) -> Iterator[RetrainRequest]:
    print("ready", flush=True)
    yield from requests


if __name__ == "__main__":
    raise SystemExit(main())
