"""What people read: a title and one line for each transition, from templates without any logic.

Templates are `string.Template`: ``$name`` is replaced and nothing is evaluated, so that neither a template
nor what an alert says can reach anything else. Every text is cut to a length.
"""

from collections.abc import Mapping, Sequence
from string import Template

from streamgauge.clients.events import Alert

_ORDER = ("info", "warning", "critical")
#: What a template may name. `title` and `line` are the texts that are used without a template.
FIELDS = (
    *("title", "line", "count", "alert_id", "state", "severity", "model", "version", "monitor", "metric"),
    *("segment", "value", "baseline", "limit", "n", "summary", "runbook_url", "time"),
    *("reason", "route", "related", "because"),
)
LONGEST = 2_000


def checked_template(text: str) -> str:
    """The template itself. Raises ValueError if it names what is not there.

    >>> checked_template("$modle")
    Traceback (most recent call last):
    ValueError: $modle is not known; there are $title, $line, $count, $alert_id, $state, $severity, $model, \
$version, $monitor, $metric, $segment, $value, $baseline, $limit, $n, $summary, $runbook_url, $time, \
$reason, $route, $related, $because
    """
    template = Template(text)
    if not template.is_valid():
        raise ValueError("a $ stands before a name; write $$ for a dollar sign")
    for name in template.get_identifiers():
        if name not in FIELDS:
            raise ValueError(f"${name} is not known; there are {', '.join('$' + f for f in FIELDS)}")
    return text


def title(alerts: Sequence[Alert], template: str = "$title") -> str:
    """One line over all of them; fields of an alert are those of the gravest."""
    return " ".join(_fill(template, _fields(gravest(alerts), alerts)).split())


def line(alert: Alert, template: str = "$line") -> str:
    """What a transition says."""
    return _fill(template, _fields(alert, [alert]))


def gravest(alerts: Sequence[Alert]) -> Alert:
    """The first of the most severe."""
    return max(alerts, key=lambda alert: _ORDER.index(alert.severity) if alert.severity in _ORDER else 0)


def related(alert: Alert) -> str:
    """The monitors that it tells of besides its own."""
    told = alert.related if isinstance(alert.related, tuple) else ()
    return ", ".join(str(each.get("monitor", "")) for each in told if isinstance(each, dict))


def _fill(template: str, fields: Mapping[str, str]) -> str:
    text = Template(template).substitute(fields).encode(errors="replace").decode()
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _fields(alert: Alert, alerts: Sequence[Alert]) -> dict[str, str]:
    models = sorted({each.model for each in alerts})
    one = f"{alert.state}: {alert.model} {alert.version} {alert.monitor}".replace("  ", " ")
    many = f"{len(alerts)} alerts of {', '.join(models[:3])}" + (" and others" if len(models) > 3 else "")
    return {
        **{name: _text(getattr(alert, name, None)) for name in FIELDS},
        "related": related(alert),
        "segment": ", ".join(f"{key}={value}" for key, value in sorted(alert.segment.items())),
        "title": f"[{alert.severity}] {one if len(alerts) == 1 else many}",
        "line": f"{alert.state} ({alert.severity}) {alert.monitor}: {alert.summary}"
        + (f" {alert.runbook_url}" if alert.runbook_url else ""),
        "count": str(len(alerts)),
    }


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
