"""Servers repeat what they were sent, when they refuse it: nobody is told the secrets of a target."""

import pytest

from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config import KINDS
from streamgauge.notify.config_file import check
from streamgauge.notify.config_hooks import HOOKS
from streamgauge.notify.hiding import secrets_of
from streamgauge.notify.hooks import hook
from streamgauge.notify.senders import sender
from streamgauge.notify.trial import trial, trial_request
from tests.notify.receivers import receiver

LOOPBACK = Allowed(["127.0.0.1"])
NOW_US = 1_795_255_200_000_000
MARK = "canary-5d20e7"
ALERTS = {
    "alertmanager": {"headers": {"Authorization": f"Bearer {MARK}"}},
    "webhook": {"secret": "whsec_" + "Y2FuYXJ5LTVkMjBlNy1jYW5hcnktNWQyMGU3", "headers": {"X-Key": MARK}},
    "pagerduty": {"routing_key": MARK},
    "slack": {},
}
REQUESTS = {
    "airflow": {"dag": "train", "username": "me", "password": MARK},
    "github": {"repository": "a/b", "token": MARK},
    "argo-events": {"token": MARK},
}


@pytest.mark.parametrize("status", [401, 422, 503])
@pytest.mark.parametrize("kind", [*ALERTS, *REQUESTS])
def test_an_answer_that_repeats_secrets_is_told_without_them(kind: str, status: int) -> None:
    with receiver() as there:
        address = there.url.replace("//", f"//app:{MARK}-password@").replace("/in", f"/services/{MARK}-path")
        given = {"kind": kind, "url": address, **(ALERTS | REQUESTS)[kind]}
        target = (KINDS | HOOKS)[kind].model_validate(given)
        there.status = status
        secrets = secrets_of(target)
        # one stands across the end of what is told, too
        said = " ".join(["wrong:", *secrets]).ljust(190) + secrets[0]
        there.bodies = [said.encode()] * 2
        if kind in ALERTS:
            outcome = trial(sender(target, LOOPBACK), NOW_US)
        else:
            outcome = trial_request(hook(target, LOOPBACK), NOW_US)
    assert f"HTTP {status} wrong: ***" in outcome.reason
    assert MARK[:8] not in outcome.reason
    assert "whsec_" not in outcome.reason


@pytest.mark.parametrize(
    "text",
    [
        "allow: ['https://app:MARK@h/24']\ntargets: {a: {kind: slack, url: 'https://h'}}",
        "targets: {a: {kind: 'https://app:MARK@h'}}",
        "targets: {a: {kind: slack, url: 'https://h'}}\nretrain: [{to: 'https://app:MARK@h'}]",
        "targets: {a: {kind: slack, url: 'https://app:MARK@h/', x: 1}}",
        "targets: {a: {kind: slack, url: 'ftp://app:MARK@h/'}}",
        "targets: {a: {kind: alertmanager, url: 'https://h', headers: {'Authorization: Bearer MARK': x}}}",
        "targets: {a: {kind: pagerduty, routing_key: [MARK]}}",
        "targets: {a: {kind: webhook, url: 'https://h', secret: MARK}}",
    ],
)
def test_what_is_wrong_with_a_file_is_told_without_its_secrets(text: str) -> None:
    problems = check("n.yaml", f"{text.replace('MARK', MARK)}\nroutes: [{{to: a}}]", {}).problems
    assert problems
    assert MARK not in "\n".join(map(str, problems))
