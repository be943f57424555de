"""The parts of River that are used here, without what it loads with them and nobody asks for.

River's metrics load SciPy's statistics for the geometric mean, and its drift detectors load what reads data
sets, and with that pandas and scikit-learn where they are installed. To load a worker's code took 2.9 s of a
processor and 245 MB so, and takes 1.8 s and 152 MB. Both are loaded when somebody uses them: KSWIN does, and
so may a metric of one's own.
"""

import importlib
import sys
from importlib.util import LazyLoader, find_spec, module_from_spec


def _load_when_used(name: str) -> None:
    """`name` and its place in its package stand for a module that is executed at its first attribute."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    package, _, last = name.rpartition(".")
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    setattr(importlib.import_module(package), last, module)  # `import` asks there first


_load_when_used("scipy.stats")
_load_when_used("river.stream")

from river import drift, metrics, stats  # noqa: E402
from river.base import DriftDetector  # noqa: E402
from river.metrics.base import (  # noqa: E402
    BinaryMetric,
    ClassificationMetric,
    MeanMetric,
    Metric,
    RegressionMetric,
)

__all__ = [
    "BinaryMetric",
    "ClassificationMetric",
    "DriftDetector",
    "MeanMetric",
    "Metric",
    "RegressionMetric",
    "drift",
    "metrics",
    "stats",
]
