"""Whatever else Apprise speaks. It makes its own connections, so its hosts must be allowed by name."""

from collections.abc import Sequence

import apprise

from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config import AppriseTarget
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.schemas.errors import ConfigurationError

_TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


class Service:
    """One Apprise service. Raises `ConfigurationError` if the URL is none, or leads to a host not allowed.

    Services of a fixed address, such as Telegram's, need no allowance. What connects elsewhere is resolved by
    Apprise, where we cannot hold it to an address: such a host is trusted as a whole, or not used.
    """

    def __init__(self, target: AppriseTarget, allowed: Allowed) -> None:
        service = apprise.Apprise.instantiate(target.url.get_secret_value(), suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise ConfigurationError("the URL is none that Apprise knows, or lacks a part")
        host = getattr(service, "host", None)
        if host and "host" in service.template_tokens and not allowed.is_trusted(host):
            raise ConfigurationError(f"Apprise would connect to {host}: add that name to `allow`")
        service.redirects = False
        self._name = service.service_name
        self._apprise = apprise.Apprise(service)

    def send(self, title: str, lines: Sequence[str], severity: str) -> Outcome:
        """Send it once."""
        kind = _TYPES.get(severity, apprise.NotifyType.INFO)
        text = apprise.NotifyFormat.TEXT  # what an alert says is no markup
        if self._apprise.notify("\n".join(lines), title, notify_type=kind, body_format=text):
            return Outcome(Result.DELIVERED)
        return Outcome(Result.FAILED, f"{self._name} did not take it")
