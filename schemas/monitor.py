"""What to watch in a model, and how: the monitor definition and the fleet document.

Durations are held in microseconds and read from texts like ``5m``.
"""

import hashlib
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from streamgauge.schemas.monitor_alerts import Alerting
from streamgauge.schemas.monitor_comparison import ComparedVersions
from streamgauge.schemas.monitor_fairness import Fairness
from streamgauge.schemas.monitor_fields import Count, Duration, Severity, Share, Task, check_room
from streamgauge.schemas.monitor_metrics import OwnMetrics, Ranking
from streamgauge.schemas.monitor_names import WITHOUT_INTERVAL, MonitorName, is_metric, known_monitors
from streamgauge.schemas.monitor_retrain import Retrain


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


#: The contract has some fields already whose work comes later; what would silently do nothing is refused.
_LATER = "not in this version of Streamgauge"


class Labels(_Document):
    """`ttl`: how long a prediction waits for its label; `min_coverage`: share labelled before a verdict.

    `expected_within`: labels of that share have come by then after the end of a window; else it is learned.
    """

    ttl: Duration = 86_400_000_000
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    expected_within: Duration | None = None

    @model_validator(mode="after")
    def _are_expected_while_they_count(self) -> "Labels":
        if self.expected_within is not None and self.expected_within > self.ttl:
            raise ValueError("labels are expected within the ttl: later ones find no prediction")
        return self


class Baseline(_Document):
    """What "normal" is: a version's first predictions, a stored profile, or another version's baseline.

    A `profile` reaches the workers by a control event of its own; this names its file.
    """

    first: Annotated[int, Field(ge=200, le=1_000_000)] | None = None
    profile: Annotated[str, Field(min_length=1)] | None = None
    version: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> "Baseline":
        if self.profile is not None and self.version is not None:
            raise ValueError("name a profile or a version, not both")
        return self

    @property
    def rows(self) -> int:
        """How many first predictions are learned from, where nothing is given."""
        return self.first or 5_000

    @property
    def is_given(self) -> bool:
        """Whether it comes from elsewhere than a version's own predictions."""
        return self.profile is not None or self.version is not None


class Feature(_Document):
    """A declared feature. Undeclared features are watched with their kind inferred."""

    kind: Literal["numeric", "categorical"] | None = None
    min: float | None = None
    max: float | None = None
    pii: bool = False

    @field_validator("pii")
    @classmethod
    def _is_not_there_yet(cls, pii: bool) -> bool:
        if pii:
            raise ValueError(f"{_LATER}: have the logger hash or redact the feature")
        return pii

    @model_validator(mode="after")
    def _leaves_room(self) -> "Feature":
        check_room(self.min, self.max)
        return self


class Segments(_Document):
    """What is measured beside all traffic: every key of `segments`, and `pairs` of keys.

    `max`: so many segments of a version are live, the first that come; those beyond count as ``other``.
    """

    pairs: Annotated[tuple[tuple[str, str], ...], Field(max_length=50)] = ()
    max: Annotated[int, Field(ge=1, le=1_000)] = 100

    @field_validator("pairs")
    @classmethod
    def _are_of_two_keys(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for pair in pairs:
            if pair[0] == pair[1]:
                raise ValueError(f"{pair[0]!r} is paired with itself: every single key is a segment anyway")
        return tuple(sorted({(min(pair), max(pair)) for pair in pairs}))


class Objective(_Document):
    """A service level: `target` of requests succeed, or answer within `objective_ms`."""

    objective_ms: Annotated[float, Field(gt=0)] | None = None
    target: Share = 0.99


#: In the alarm budget, beside others: from a thousandth of one that is not mentioned to a thousand times it.
Weight = Annotated[float, Field(ge=0.001, le=1_000)]


class Rule(_Document):
    """One monitor. `min` and `max` are limits of the user's own; evidence monitors have none.

    `weight` is that of each of an evidence monitor's streams, in its model's share of the alarm budget.
    """

    enabled: bool = True
    severity: Severity = "warning"
    min: float | None = None
    max: float | None = None
    windows: Count = 2
    raw: bool = False
    weight: Weight = 1.0
    runbook_url: str | None = None

    @model_validator(mode="after")
    def _leaves_room(self) -> "Rule":
        check_room(self.min, self.max)
        return self

    @property
    def stake(self) -> float:
        """The weight; 0 where the monitor is off."""
        return self.weight if self.enabled else 0.0


class MonitorDefinition(_Document):
    """Everything about one model; all of it has a default but the model's name.

    `weight` is that of the model in the fleet's alarm budget, of which `Fleet.models` is the total.
    """

    model: Annotated[str, Field(min_length=1, max_length=256)]
    weight: Weight = 1.0
    task: Task | None = None
    pos_label: str | None = None
    window: Duration = 300_000_000
    grace: Duration = 30_000_000
    lateness: Duration = 3_600_000_000
    labels: Labels = Labels()
    baseline: Baseline = Baseline(first=5_000)
    features: dict[str, Feature] = {}
    segments: Segments = Segments()
    fairness: Fairness = Fairness()
    latency: Objective = Objective()
    failure_rate: Objective = Objective()
    ranking: Ranking = Ranking()
    metrics: OwnMetrics = {}
    comparisons: ComparedVersions = ()
    monitors: dict[MonitorName, Rule] = {}
    resolve_after: Count = 3
    cooldown: Duration = 600_000_000
    alerts: Alerting = Alerting()
    retrain: Retrain = Retrain()

    @field_validator("retrain")
    @classmethod
    def _monitors_that_ask_exist(cls, retrain: Retrain, info: ValidationInfo) -> Retrain:
        known_monitors("on", retrain.on, info.data.get("metrics", ()))
        known_monitors("blocked_by", retrain.blocked_by, info.data.get("metrics", ()))
        if retrain.gain is not None and info.data.get("task") == "ranking":
            raise ValueError("gain: what rankings would gain is no number of errors")
        return retrain

    @field_validator("monitors")
    @classmethod
    def _limits_are_on_metrics(cls, monitors: dict[str, Rule], info: ValidationInfo) -> dict[str, Rule]:
        for name, rule in monitors.items():
            limited = rule.min is not None or rule.max is not None
            metric = is_metric(name, info.data.get("metrics", ()))
            if limited and not metric:
                raise ValueError(
                    f"{name} takes no min or max: limits are set on metrics, such as latency_p99_ms"
                )
            if limited and not rule.raw and name in WITHOUT_INTERVAL:
                raise ValueError(f"{name} has no interval that could lie beyond a limit: say raw: true")
            if not limited and rule.enabled and metric and name != "failure_rate":
                raise ValueError(f"{name} needs min or max: a metric alerts only beyond a limit")
        return monitors

    def rule(self, monitor: str) -> Rule:
        """The rule of a monitor by name; the default one if the definition does not mention it.

        Its runbook is the rule's own, or the monitor's page in `alerts.runbooks`.
        """
        rule = self.monitors.get(monitor, _DEFAULT_RULE)
        if rule.runbook_url is None and self.alerts.runbooks is not None:
            return rule.model_copy(update={"runbook_url": self.alerts.runbook_url(monitor)})
        return rule

    @cached_property
    def definition_id(self) -> str:
        """``sha256:`` and the hash of the canonical JSON: outputs carry it.

        >>> MonitorDefinition(model="credit").definition_id == MonitorDefinition(model="credit").definition_id
        True
        """
        return "sha256:" + hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class AlertBudget(_Document):
    """The false alarms you accept from the whole fleet within `horizon`, on average."""

    false_alarms: Annotated[float, Field(gt=0, le=1_000)] = 0.05
    horizon: Duration = 30 * 86_400_000_000


class Fleet(_Document):
    """What belongs to no model: the alarm budget, the fleet's size, the defaults of every definition.

    `models` is how many share the budget, each counted with its weight; `streams` how many streams all have.
    """

    alert_budget: AlertBudget = AlertBudget()
    models: Count = 100
    streams: Count = 1_000
    max_models: Count = 10_000
    defaults: dict[str, Any] = {}

    @field_validator("defaults")
    @classmethod
    def _are_a_definition(cls, defaults: dict[str, Any]) -> dict[str, Any]:
        MonitorDefinition.model_validate({**defaults, "model": "any"})
        return defaults


_DEFAULT_RULE = Rule()
