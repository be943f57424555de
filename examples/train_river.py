"""A training job with River: learns the rows of a request one by one, as they were served, and answers."""

import os

from river import linear_model, metrics, preprocessing

from streamgauge import Connection, DataExpiredError, RetrainRequests


def train(data):
    """The model, and its accuracy where each row is predicted before it is learned."""
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    accuracy = metrics.Accuracy()
    names, truth = sorted(data.features), data.label.to_list()
    positive = sorted(set(truth))[-1]
    for values, label in zip(data.matrix(names).tolist(), truth, strict=True):
        row, answer = dict(zip(names, values, strict=True)), label == positive
        accuracy.update(answer, model.predict_one(row))
        model.learn_one(row, answer)
    return model, accuracy.get()


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
        # deploy(model)  # your registry, your way
        version = f"{request.time:%Y%m%d-%H%M%S}"
        requests.succeeded(request, new_version=version, message=f"accuracy {accuracy:.3f} as it learned")
