"""The names of monitors, and of the metrics that a limit can be set on."""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

#: Sequential evidence, paid for from the fleet's alarm budget.
#: Labels say that predictions are worth less than was estimated before they came.
ESTIMATE_GAP = "estimate_gap"
EVIDENCE = ("concept_drift", "data_quality", "drift", ESTIMATE_GAP, "fairness", "prediction_drift")
#: Error budgets that burn. `failure_rate` is a metric too, and with a limit is judged as one.
OBJECTIVES = ("failure_rate", "latency")
#: River's detectors on the errors; they have no budget, and alert only where a definition names them.
ERROR_DETECTORS = ("adwin", "hddm_w")
#: Opens when nobody answers a retrain request.
UNANSWERED = "retrain_unanswered"

#: Every metric that is published, spelled as scikit-learn, fairlearn and River spell it.
METRICS = frozenset(
    (  # noqa: SIM905  (the list would take forty lines)
        "throughput_per_s failure_rate latency_p50_ms latency_p90_ms latency_p99_ms "
        "label_coverage label_lag_p50_s segment_overflow_rate "
        "accuracy zero_one_loss balanced_accuracy precision recall f1 matthews_corrcoef cohen_kappa "
        "roc_auc average_precision brier_score log_loss expected_calibration_error "
        "mean_absolute_error root_mean_squared_error mean_absolute_percentage_error mean_error r2 "
        "estimated_accuracy estimated_f1 estimated_roc_auc estimated_mean_absolute_error "
        "adwin_changes hddm_w_changes "
        "psi psi_noise_level js_distance ks wasserstein chi2 "
        "missing_rate out_of_range_rate unseen_category_rate "
        "selection_rate demographic_parity_difference demographic_parity_ratio equalized_odds_difference "
        "equal_opportunity_difference predictive_parity_difference false_positive_rate_difference"
    ).split()
)
_BUILT_IN = (*EVIDENCE, *OBJECTIVES, *ERROR_DETECTORS, UNANSWERED)


def known_monitor(name: str) -> str:
    """The name itself. Raises `ValueError`, with the names that there are, if it is none of them.

    >>> known_monitor("drift"), known_monitor("roc_auc")
    ('drift', 'roc_auc')
    >>> known_monitor("acuracy")
    Traceback (most recent call last):
    ValueError: no monitor is called 'acuracy'; did you mean 'accuracy'?
    """
    if name in METRICS or name in _BUILT_IN:
        return name
    close = get_close_matches(name, sorted(METRICS.union(_BUILT_IN)), n=1)
    hint = (
        f"did you mean {close[0]!r}?"
        if close
        else f"there are {', '.join(_BUILT_IN)}, and limits on metrics: {', '.join(sorted(METRICS))}"
    )
    raise ValueError(f"no monitor is called {name!r}; {hint}")


MonitorName = Annotated[str, AfterValidator(known_monitor)]


def _tolerable_gap(name: str) -> str:
    if name != "demographic_parity_difference":
        raise ValueError(f"{name!r} has no tolerance; demographic_parity_difference has")
    return name


TolerableGap = Annotated[str, AfterValidator(_tolerable_gap)]
