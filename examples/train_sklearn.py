"""A training job with scikit-learn: takes retrain requests, fits logistic regressions, answers."""

import os
from pathlib import Path
from urllib.parse import quote

import joblib
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streamgauge import Connection, DataExpiredError, RetrainRequests

MODELS = Path(os.environ.get("MODELS", "models"))


def train(data):
    """The fitted pipeline, and its accuracy on the newest fifth of the rows, which it did not see."""
    rows, truth, cut = data.matrix(), data.label.to_list(), len(data) * 4 // 5
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(rows[:cut], truth[:cut])
    return model, model.score(rows[cut:], truth[cut:])


kafka = Connection.from_environment(os.environ)
with RetrainRequests(kafka, group_id="trainer", start="earliest") as requests:
    for request in requests:
        requests.accept(request)
        try:
            data = requests.dataset(request)
        except DataExpiredError as error:
            requests.declined(request, str(error))
            continue
        requests.started(request, f"{len(data):,} rows")
        model, accuracy = train(data)
        version = f"{request.time:%Y%m%d-%H%M%S}"
        MODELS.mkdir(exist_ok=True)
        joblib.dump(model, MODELS / f"{quote(request.model, safe='')}-{version}.joblib")
        requests.succeeded(request, new_version=version, message=f"accuracy {accuracy:.3f} on kept rows")
