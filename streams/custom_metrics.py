"""The metric classes that definitions may name: imported once, when the worker starts, from its settings."""

from importlib import import_module

from streamgauge.detectors.custom import Allowed
from streamgauge.detectors.river_parts import Metric
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown

_VARIABLE = "STREAMGAUGE_CUSTOM_METRICS"
_HOW = "write the full path of a class, as in river.metrics.FBeta"


def allowed_metrics(paths: str) -> Allowed:
    """Classes by import path, of a list with commas. Raises `ConfigurationError` for what is no metric.

    Nothing else is ever imported for a definition: it can only name what is here.

    >>> allowed_metrics("river.metrics.FBeta, river.metrics.Jaccard").keys()
    dict_keys(['river.metrics.FBeta', 'river.metrics.Jaccard'])
    """
    return {path: _imported(path) for path in filter(None, map(str.strip, paths.split(",")))}


def _imported(path: str) -> type[Metric]:
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigurationError(f"{_VARIABLE}: {shown(path)} is no import path; {_HOW}")
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{_VARIABLE}: cannot import {path}: {error}; {_HOW}, and install its package where the worker "
            "runs"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Metric)):
        raise ConfigurationError(f"{_VARIABLE}: {path} is no subclass of river.metrics.base.Metric")
    return found
