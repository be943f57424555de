"""What each kind of target is sent, against its published schema and limits."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from streamgauge.clients.events import Alert, Position
from streamgauge.notify import alertmanager, mail, pagerduty, slack, wording
from streamgauge.notify.config import EmailTarget, WebhookTarget
from streamgauge.notify.core.queues import Notification, Transition
from streamgauge.notify.records import checked
from streamgauge.notify.senders import webhook_request
from streamgauge.notify.signing import signed
from streamgauge.schemas.errors import BadEvent
from tests.notify.alerts import OPENED, SECOND_US, record, step

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW_US = round(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND_US
TEXTS = st.text(max_size=60) | st.text(max_size=4_000)
STATES = st.sampled_from(["opened", "updated", "acknowledged", "resolved", "superseded", "expired", "else"])


@st.composite
def any_alert(draw):
    """Whatever a topic may hold that passes for an alert."""
    return step(
        f"{draw(st.text(max_size=300))}-1",
        state=draw(STATES),
        severity=draw(st.sampled_from(["info", "warning", "critical", "unheard of"])),
        model=draw(st.text(min_size=1, max_size=256)),
        version=draw(TEXTS),
        monitor=draw(TEXTS),
        summary=draw(TEXTS),
        runbook_url=draw(st.none() | TEXTS),
        segment=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        value=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    )


def notification(*alerts):
    return Notification(("g",), tuple(Transition(0, n, a, (), 0) for n, a in enumerate(alerts)))


#: From the OpenAPI document of PagerDuty/api-schema, reference/events-v2, with the limits its pages name.
PAGERDUTY = Draft202012Validator(
    {
        "type": "object",
        "required": ["routing_key", "event_action"],
        "properties": {
            "routing_key": {"type": "string"},
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": {"type": "string", "maxLength": 255, "minLength": 1},
            "client": {"type": "string"},
            "links": {
                "type": "array",
                "items": {"type": "object", "required": ["href"], "properties": {"href": {"type": "string"}}},
            },
            "payload": {
                "type": "object",
                "required": ["summary", "severity", "source"],
                "properties": {
                    "summary": {"type": "string", "maxLength": 1024},
                    "timestamp": {"type": "string", "format": "date-time"},
                    "severity": {"enum": ["critical", "warning", "error", "info"]},
                    "source": {"type": "string", "minLength": 1},
                    "component": {"type": "string"},
                    "group": {"type": "string"},
                    "class": {"type": "string"},
                    "custom_details": {"type": "object"},
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "if": {"properties": {"event_action": {"const": "trigger"}}},
        "then": {"required": ["payload"]},
        "else": {"required": ["dedup_key"]},
    }
)
#: The limits that Slack documents for blocks of messages.
SLACK = Draft202012Validator(
    {
        "type": "object",
        "required": ["text", "blocks"],
        "properties": {
            "text": {"type": "string", "maxLength": 40_000},
            "blocks": {
                "type": "array",
                "maxItems": 50,
                "items": {
                    "oneOf": [
                        {
                            "properties": {
                                "type": {"const": "header"},
                                "text": {
                                    "properties": {
                                        "type": {"const": "plain_text"},
                                        "text": {"type": "string", "minLength": 1, "maxLength": 150},
                                    },
                                },
                            },
                        },
                        {
                            "properties": {
                                "type": {"const": "section"},
                                "text": {
                                    "properties": {
                                        "type": {"const": "mrkdwn"},
                                        "text": {"type": "string", "minLength": 1, "maxLength": 3_000},
                                    },
                                },
                            },
                        },
                    ]
                },
            },
        },
        "additionalProperties": False,
    }
)


class TestPagerDuty:
    @given(any_alert())
    def test_any_alert_is_a_valid_event(self, alert):
        PAGERDUTY.validate(json.loads(json.dumps(pagerduty.event(alert, "k" * 32))))

    @pytest.mark.parametrize(
        ("state", "action"),
        [("opened", "trigger"), ("updated", "trigger"), ("acknowledged", "acknowledge"),
         ("resolved", "resolve"), ("superseded", "resolve"), ("expired", "resolve")],
    )  # fmt: skip
    def test_steps_of_one_alert_are_one_incident(self, state, action):
        event = pagerduty.event(step(state=state), "k")
        assert (event["event_action"], event["dedup_key"]) == (action, "9f2c-1")


class TestSlack:
    @given(st.lists(any_alert(), min_size=1, max_size=60))
    def test_any_alerts_are_within_the_limits(self, alerts):
        SLACK.validate(slack.message(wording.title(alerts), [wording.line(alert) for alert in alerts]))

    def test_what_an_alert_says_neither_mentions_nor_links(self):
        alert = step(summary="<!channel> <https://evil.example|click> & so on", model="<@U1>")
        text = json.dumps(slack.message(wording.title([alert]), [wording.line(alert)]))
        said = text.replace('"text": "[warning] opened: <@U1> 7 drift"', "")  # a header is plain text
        assert "<" not in said


class TestMail:
    @given(st.lists(any_alert(), min_size=1, max_size=3))
    def test_any_alerts_are_a_mail_with_one_line_of_subject(self, alerts):
        target = EmailTarget(kind="email", host="h", sender="a@b.example", to=["c@d.example"])
        key = notification(*alerts).key
        sent = mail.message(target, key, wording.title(alerts), [wording.line(a) for a in alerts], NOW_US)
        assert sent["To"] == "c@d.example"
        assert bytes(sent).partition(b"\n\n")[0].count(b"Subject:") == 1


class TestWording:
    def test_the_title_counts_and_names_the_gravest(self):
        alerts = [step(), step("aa-1", severity="critical"), step("bb-1", model="churn")]
        assert wording.title(alerts) == "[critical] 3 alerts of churn, credit"
        assert wording.title([step()]) == "[warning] opened: credit 7 drift"

    def test_templates_are_filled_and_nothing_in_them_is_evaluated(self):
        alert = step(summary="$model ${severity} {alert.record} %s", segment={"country": "NO"})
        line = wording.line(alert, "$$ $model/$version $segment $value: $summary")
        assert line == "$ credit/7 country=NO 0.31: $model ${severity} {alert.record} %s"

    def test_templates_may_name_what_an_alert_tells_of_and_who_it_is_for(self):
        alert = step(related=[{"monitor": "estimate_gap"}], because="aa-1", route="risk", reason="explained")
        line = wording.line(alert, "$route $reason: with $related, told by $because")
        assert line == "risk explained: with estimate_gap, told by aa-1"
        assert wording.line(step(), "$route$related$because.") == "."

    @given(any_alert())
    def test_lengths_are_bounded(self, alert):
        assert len(wording.line(alert, "$summary" * 50)) <= wording.LONGEST
        assert "\n" not in wording.title([alert])


class TestWebhook:
    @given(any_alert())
    def test_receivers_can_verify_it(self, alert):
        target = WebhookTarget(kind="webhook", url="https://x.example", secret=SECRET, headers={"X-A": "b"})
        now_us = round(datetime.now(UTC).timestamp()) * SECOND_US
        request = webhook_request(target, notification(alert), now_us)
        said = Webhook(SECRET).verify(request.body, dict(request.headers))
        assert said["type"] == f"alert.{alert.state}"
        assert said["data"] == json.loads(json.dumps(alert.record))
        assert request.headers["X-A"] == "b"
        assert "\n" not in request.headers["webhook-id"]

    def test_the_id_is_the_step(self):
        target = WebhookTarget(kind="webhook", url="https://x.example", secret=SECRET)
        request = webhook_request(target, notification(step(sequence=3, state="updated")), NOW_US)
        assert request.headers["webhook-id"] == "9f2c-1-3"

    def test_another_body_or_key_does_not_verify(self):
        now = round(datetime.now(UTC).timestamp())
        headers = dict(signed("id", now, b'{"a":1}', SECRET))
        assert Webhook(SECRET).verify(b'{"a":1}', headers) == {"a": 1}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(b'{"a":2}', headers)


class TestAlertmanager:
    def test_identity_is_the_same_in_every_step_and_episode(self):
        steps = [step(), step(sequence=2, state="resolved"), step("9f2c-2", summary="other")]
        assert len({json.dumps(alertmanager.labels(each)) for each in steps}) == 1
        other = step(segment={"country-code": "NO"})
        assert alertmanager.labels(other) == {
            "alertname": "drift", "model": "credit", "version": "7", "severity": "warning",
            "segment": "country-code=NO", "segment_country_code": "NO",
        }  # fmt: skip

    def test_an_open_alert_ends_later_and_one_that_is_over_ended(self):
        minute = 60 * SECOND_US
        (opened,) = alertmanager.documents([(step(), ())], NOW_US, minute)
        assert (opened["startsAt"], opened["endsAt"]) == (
            OPENED.isoformat(),
            "2026-11-21T12:15:00+00:00",
        )
        (over,) = alertmanager.documents([(step(sequence=3, state="resolved"), ())], NOW_US, minute)
        assert over["endsAt"] == "2026-11-21T10:02:00+00:00"

    def test_with_another_severity_the_alert_that_it_was_has_ended(self):
        worse = step(sequence=2, state="updated", severity="critical")
        found = alertmanager.documents([(worse, (step(),))], NOW_US, SECOND_US)
        assert [(each["labels"]["severity"], each["endsAt"] > "2026-11-21T12") for each in found] == [
            ("critical", True),
            ("warning", False),
        ]

    def test_with_another_routing_key_the_alert_that_it_was_has_ended(self):
        before = step(route="risk")
        worse = step(sequence=2, state="updated", severity="critical", route="risk-pager")
        found = [each["labels"] for each in alertmanager.documents([(worse, (before,))], NOW_US, SECOND_US)]
        assert [(each["severity"], each["route"]) for each in found] == [
            ("critical", "risk-pager"),
            ("warning", "risk"),
        ]

    def test_what_it_tells_of_and_what_tells_of_it_are_annotations(self):
        told = step(related=[{"monitor": "estimate_gap"}, {"monitor": "label_drift"}], because="aa-1")
        annotations = alertmanager.documents([(told, ())], NOW_US, SECOND_US)[0]["annotations"]
        assert (annotations["related"], annotations["because"]) == ("estimate_gap, label_drift", "aa-1")

    @given(any_alert())
    def test_none_ends_before_it_starts_or_starts_in_the_future(self, alert):
        for each in alertmanager.documents([(alert, (step(severity="info"),))], NOW_US, SECOND_US):
            starts, ends = (datetime.fromisoformat(each[name]) for name in ("startsAt", "endsAt"))
            assert starts <= ends
            assert starts.timestamp() * SECOND_US <= NOW_US


class TestRecords:
    @pytest.mark.parametrize(
        "wrong",
        [{"summary": 5}, {"segment": {"a": 1}}, {"value": "0.3"}, {"n": "1"}, {"time": "2026-11-21T10:00:00"},
         {"runbook_url": ["x"]}, {"route": 7}, {"because": {}}, {"sequence": 1.5}, {"state": {}}],
    )  # fmt: skip
    def test_what_is_no_alert_by_its_types_is_not_told(self, wrong):
        with pytest.raises(BadEvent, match=next(iter(wrong))):
            checked(Alert.from_record(record() | wrong, Position("alerts", 0, 0)))
