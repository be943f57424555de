"""What a definition says of its alerts: when a warning becomes critical, and whom alerts concern."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from streamgauge.schemas.monitor_fields import Duration, Severity
from streamgauge.schemas.runbooks import page_of

#: A word for whoever delivers alerts; it says nothing here.
RouteKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]


class Alerting(BaseModel):
    """`route` goes with every alert, or that of its severity in `routes`.

    `runbooks` is where the pages of the runbooks lie, ``{page}`` being one's name: alerts link to theirs.
    `escalate_after`: a warning that has gone on for so long, and that nobody acknowledged, is critical.

    >>> Alerting(route="risk", routes={"critical": "risk-pager"}).keys
    {'info': 'risk', 'warning': 'risk', 'critical': 'risk-pager'}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    escalate_after: Duration | None = None
    route: RouteKey | None = None
    routes: dict[Severity, RouteKey] = {}
    runbooks: Annotated[str, Field(pattern=r"^https?://[^\s]*\{page\}[^\s]*$", max_length=1_000)] | None = (
        None
    )

    def runbook_url(self, monitor: str) -> str | None:
        """Of a monitor's page.

        >>> Alerting(runbooks="https://wiki.example.org/runbooks/{page}.html").runbook_url("adwin")
        'https://wiki.example.org/runbooks/error_detector.html'
        """
        return None if self.runbooks is None else self.runbooks.replace("{page}", page_of(monitor))

    @property
    def keys(self) -> dict[str, str]:
        """The routing key of each severity that has one."""
        all_of_them = {} if self.route is None else dict.fromkeys(("info", "warning", "critical"), self.route)
        return all_of_them | dict(self.routes)
