"""The names of monitors, and of the metrics that a limit can be set on."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

#: Labels say that predictions are worth less than was estimated before they came.
ESTIMATE_GAP = "estimate_gap"
#: Gaps between groups that have a tolerance.
FAIRNESS = "fairness"
#: Sequential evidence, paid for from the fleet's alarm budget.
EVIDENCE = (
    "concept_drift",
    "data_quality",
    "drift",
    ESTIMATE_GAP,
    FAIRNESS,
    "label_drift",
    "multivariate_drift",
    "prediction_drift",
    "traffic",
)
#: Error budgets that burn. `failure_rate` is a metric too, and with a limit is judged as one.
OBJECTIVES = ("failure_rate", "latency")
#: River's detectors on the errors; they have no budget, and alert only where a definition names them.
ERROR_DETECTORS = ("adwin", "hddm_w", "hddm_a", "ddm", "eddm", "fhddm", "page_hinkley", "kswin")
#: Opens when nobody answers a retrain request.
UNANSWERED = "retrain_unanswered"
#: A challenger is worse than its champion; the traffic between them is not as declared.
COMPARISON, SAMPLE_RATIO = "comparison", "sample_ratio"
#: Opens when a request is due, and an open alert says that the data are broken.
BLOCKED = "retrain_blocked"
#: Opens when labels do not come as they should; meanwhile nothing opens that rests on them.
MISSING_LABELS = "missing_labels"
#: Opens when drift has lasted so long that it may be the new normal.
STALE_BASELINE = "stale_baseline"

#: Every metric that is published, spelled as scikit-learn, fairlearn and River spell it.
METRICS = frozenset(
    (  # noqa: SIM905  (the list would take forty lines)
        "throughput_per_s failure_rate duplicate_rate latency_p50_ms latency_p90_ms latency_p99_ms "
        "label_coverage label_lag_p50_s segment_overflow_rate "
        "accuracy zero_one_loss balanced_accuracy precision recall f1 matthews_corrcoef cohen_kappa "
        "precision_weighted recall_weighted f1_weighted class_precision class_recall class_f1 "
        "roc_auc average_precision brier_score log_loss expected_calibration_error "
        "mean_absolute_error root_mean_squared_error mean_absolute_percentage_error mean_error r2 "
        "estimated_accuracy estimated_f1 estimated_roc_auc estimated_mean_absolute_error "
        "ndcg_at_10 hit_rate_at_10 mrr "
        "adwin_changes hddm_w_changes hddm_a_changes ddm_changes eddm_changes fhddm_changes "
        "page_hinkley_changes kswin_changes "
        "psi psi_noise_level js_distance ks wasserstein chi2 "
        "missing_rate wrong_type_rate out_of_range_rate unseen_category_rate baseline_fit "
        "selection_rate true_positive_rate false_positive_rate "
        "demographic_parity_difference demographic_parity_ratio equalized_odds_difference "
        "equal_opportunity_difference predictive_parity_difference false_positive_rate_difference"
    ).split()
)
#: Those of them that no honest interval is known of: a limit on one judges the value itself.
WITHOUT_INTERVAL = frozenset(
    (  # noqa: SIM905
        "expected_calibration_error mean_absolute_percentage_error r2 "
        "adwin_changes hddm_w_changes hddm_a_changes ddm_changes eddm_changes fhddm_changes "
        "page_hinkley_changes kswin_changes psi psi_noise_level js_distance ks wasserstein chi2"
    ).split()
)
#: Those of them that compare a window with the baseline.
AGAINST_BASELINE = frozenset(
    ("psi", "psi_noise_level", "js_distance", "ks", "wasserstein", "chi2", "wrong_type_rate",
     "out_of_range_rate", "unseen_category_rate", "baseline_fit")
)  # fmt: skip
#: Every monitor that is not a limit on a metric.
BUILT_IN = (
    *EVIDENCE,
    *OBJECTIVES,
    *ERROR_DETECTORS,
    MISSING_LABELS,
    UNANSWERED,
    BLOCKED,
    STALE_BASELINE,
    COMPARISON,
    SAMPLE_RATIO,
)


#: Metrics that are about all predictions, or about how labels come; what an own one says rests on labels.
_WITHOUT_LABELS = frozenset(
    (  # noqa: SIM905
        "throughput_per_s failure_rate duplicate_rate latency_p50_ms latency_p90_ms latency_p99_ms "
        "label_coverage label_lag_p50_s segment_overflow_rate "
        "estimated_accuracy estimated_f1 estimated_roc_auc estimated_mean_absolute_error "
        "psi psi_noise_level js_distance ks wasserstein chi2 "
        "missing_rate wrong_type_rate out_of_range_rate unseen_category_rate baseline_fit "
        "selection_rate demographic_parity_difference demographic_parity_ratio"
    ).split()
)
_BY_LABELS = ("concept_drift", "label_drift", ESTIMATE_GAP, *ERROR_DETECTORS)


def rests_on_labels(monitor: str, segment: Collection[tuple[str, str]] = ()) -> bool:
    """Whether a monitor has nothing to judge without labels; distances of the label are told by its segment.

    >>> [rests_on_labels(name) for name in ("concept_drift", "f2", "psi", "drift")]
    [True, True, False, False]
    >>> rests_on_labels("psi", [("feature", "label")])
    True
    """
    if ("feature", "label") in segment:
        return True
    return monitor in _BY_LABELS or (monitor not in BUILT_IN and monitor not in _WITHOUT_LABELS)


#: Of rankings, cut at any k that a definition names.
AT_K = re.compile(r"(?:ndcg|hit_rate)_at_[1-9][0-9]{0,3}")


def is_metric(name: str, own: Collection[str] = ()) -> bool:
    """Whether a metric of this name is published; `own` are those that a definition adds."""
    return name in METRICS or name in own or AT_K.fullmatch(name) is not None


def known_monitor(name: str, own: Collection[str] = ()) -> str:
    """The name itself. Raises `ValueError`, with the names that there are, if it is none of them.

    `own` are the metrics that a definition adds.

    >>> known_monitor("drift"), known_monitor("roc_auc"), known_monitor("f2", own=("f2",))
    ('drift', 'roc_auc', 'f2')
    >>> known_monitor("acuracy")
    Traceback (most recent call last):
    ValueError: no monitor is called 'acuracy'; did you mean 'accuracy'?
    """
    if name in BUILT_IN or is_metric(name, own):
        return name
    close = get_close_matches(name, sorted(METRICS.union(BUILT_IN, own)), n=1)
    hint = (
        f"did you mean {close[0]!r}?"
        if close
        else f"there are {', '.join(BUILT_IN)}, and limits on metrics: {', '.join(sorted(METRICS))}"
    )
    raise ValueError(f"no monitor is called {name!r}; {hint}")


def known_monitors(field: str, names: Collection[str], own: Collection[str]) -> None:
    """Raises pydantic's error for the first unknown name; it says where in `retrain` that is."""
    for place, name in enumerate(names):
        try:
            known_monitor(name, own)
        except ValueError as error:
            found = {"message": str(error), "at": [field, place]}
            raise PydanticCustomError("unknown_monitor", "{message}", found) from error


def _known_here(name: str, info: ValidationInfo) -> str:
    return known_monitor(name, info.data.get("metrics", ()))


#: A field of this type comes after `metrics`, which says what the definition adds.
MonitorName = Annotated[str, AfterValidator(_known_here)]


def _new_name(name: str) -> str:
    if name in BUILT_IN or is_metric(name):
        raise ValueError(f"{name} is there already; call yours otherwise")
    return name


#: What a definition calls a metric of its own.
NewMetricName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), AfterValidator(_new_name)
]
