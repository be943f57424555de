"""What each training system is sent, held to the schema that it publishes itself, over real connections."""

import json
import sys
from pathlib import Path
from threading import Event
from urllib.parse import unquote

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook

from streamgauge.notify import airflow, github
from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config_file import ALL_KINDS
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.handover import until_stored
from streamgauge.notify.hooks import hook
from streamgauge.notify.records import checked_request
from streamgauge.notify.trial import sample_request, trial_request
from streamgauge.schemas.errors import BadEvent, StreamgaugeError
from tests.harness import wait_until
from tests.notify.receivers import receiver
from tests.notify.requests import request, request_record

LOOPBACK = Allowed(["127.0.0.0/8"])
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_US = 1_795_255_200_000_000
PUBLISHED = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "published").glob("*.json")
}
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)
requests = st.builds(
    lambda model, number, attempt, features: request(
        request_id=f"{model}:7:{number}", model=model, attempt=attempt, features=features
    ),
    names, st.integers(1, 9), st.integers(1, 9), st.lists(names, max_size=5),
)  # fmt: skip


def hand(kind, **given):
    return hook(ALL_KINDS[kind].model_validate({"kind": kind, **given}), LOOPBACK)


@pytest.fixture
def there():
    with receiver() as made:
        yield made


def base(there):
    return f"http://127.0.0.1:{there.port}"


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def fits(name, document, schema=None):
    Draft202012Validator(schema or PUBLISHED[name]["schema"]).validate(document)


class TestAirflow:
    def test_a_request_starts_one_run_with_the_whole_request(self, there):
        trigger = hand("airflow", url=base(there), dag="retrain_credit", headers={"X-Team": "risk"})
        assert trigger(request(), NOW_US) == Outcome(Result.DELIVERED)
        ((path, headers, _),) = there.requests
        (document,) = there.documents
        assert path == PUBLISHED["airflow"]["path"].replace("{dag_id}", "retrain_credit")
        assert headers["x-team"] == "risk"
        fits("airflow", document)
        assert document["dag_run_id"] == "streamgauge:credit:7:1:1"
        assert document["conf"] == request_record()

    @given(requests)
    def test_every_request_fits_the_published_schema_and_has_a_run_id_that_airflow_takes(self, made):
        document = json.loads(json.dumps(airflow.document(made)))
        fits("airflow", document)
        assert len(document["dag_run_id"]) <= 250
        assert set(document["dag_run_id"]) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~:+-"
        )

    @given(requests, requests)
    def test_run_ids_are_of_one_attempt_only(self, one, other):
        assert (airflow.run_id(one) == airflow.run_id(other)) == (one.event_id == other.event_id)

    def test_a_run_that_is_there_already_is_a_success(self, there):
        assert "409" in PUBLISHED["airflow"]["responses"]
        there.status = 409
        assert hand("airflow", url=base(there), dag="d")(request(), NOW_US).result is Result.DELIVERED

    @pytest.mark.parametrize(
        ("status", "result"),
        [(400, "failed"), (401, "failed"), (404, "failed"), (422, "refused"), (503, "failed")],
    )
    def test_only_what_can_never_be_right_is_refused(self, there, status, result):
        there.status = status
        assert hand("airflow", url=base(there), dag="d")(request(), NOW_US).result.value == result

    def test_a_name_and_password_are_changed_for_a_token(self, there):
        there.bodies = [b'{"access_token": "t0k"}']
        trigger = hand("airflow", url=base(there), dag="d", username="gauge", password="p")
        assert trigger(request(), NOW_US).result is Result.DELIVERED
        login, run = there.requests
        assert login[0] == PUBLISHED["airflow"]["login"]["path"]
        fits("airflow", json.loads(login[2]), PUBLISHED["airflow"]["login"]["schema"])
        assert run[1]["authorization"] == "Bearer t0k"

    def test_a_login_that_fails_starts_nothing_and_tells_no_password(self, there):
        there.status = 401
        outcome = hand("airflow", url=base(there), dag="d", username="gauge", password="hidden")(
            request(), NOW_US
        )
        assert (outcome.result, len(there.requests)) == (Result.FAILED, 1)
        assert "/auth/token: HTTP 401" in outcome.reason
        assert "hidden" not in outcome.reason


class TestGitHub:
    def test_a_request_is_a_repository_dispatch(self, there):
        there.status = 204
        assert str(there.status) in PUBLISHED["github"]["responses"]
        dispatch = hand("github", repository="acme/credit", token="t0k", url=base(there))
        assert dispatch(request(), NOW_US).result is Result.DELIVERED
        ((path, headers, _),) = there.requests
        assert path == PUBLISHED["github"]["path"].replace("{owner}/{repo}", "acme/credit")
        assert headers["authorization"] == "Bearer t0k"
        assert headers["accept"] == "application/vnd.github+json"
        (document,) = there.documents
        fits("github", document)
        assert document == {"event_type": "retrain", "client_payload": {"request": request_record()}}

    @given(requests)
    def test_every_request_fits_the_published_schema(self, made):
        fits("github", github.document(made, "retrain"))

    def test_lists_are_cut_where_there_is_too_much_and_what_data_to_take_never_is(self):
        reasons = request_record()["reasons"] * 100
        made = request(features=[f"{n:0256}" for n in range(1_000)], reasons=reasons)
        document = github.document(made, "retrain")
        fits("github", document)
        assert len(json.dumps(document["client_payload"])) < 64 * 1024
        assert document["client_payload"]["cut"] == ["features"]
        assert document["client_payload"]["request"]["data"] == request_record()["data"]
        assert document["client_payload"]["request"]["reasons"] == reasons
        assert len(made.record["features"]) == 1_000

    def test_what_does_not_validate_there_is_refused(self, there):
        there.status = 422
        dispatch = hand("github", repository="acme/credit", token="t", url=base(there))
        assert dispatch(request(), NOW_US).result is Result.REFUSED


class TestArgoEvents:
    def test_a_request_is_a_cloud_event_that_the_sdk_reads(self, there):
        publish = hand("argo-events", url=there.url, token="t0k")
        assert publish(request(model="crédit"), NOW_US).result is Result.DELIVERED
        ((_, headers, body),) = there.requests
        assert headers["authorization"] == "Bearer t0k"
        event = from_http_event(HTTPMessage(headers=headers, body=body))
        assert event.get_type() == "io.streamgauge.retrain_request.v1"
        assert event.get_source() == "/models/cr%C3%A9dit"
        assert json.loads(json.dumps(event.get_data())) == there.documents[0]
        assert there.documents[0]["data"] == request_record()["data"]

    def test_it_has_the_same_id_each_time(self, there):
        publish = hand("argo-events", url=there.url)
        for _ in range(2):
            publish(request(), NOW_US)
        publish(request(attempt=2), NOW_US)
        ids = [headers["ce-id"] for _, headers, _ in there.requests]
        assert ids[0] == ids[1] != ids[2]
        assert "authorization" not in there.requests[0][1]

    def test_an_endpoint_that_is_not_active_yet_is_tried_again(self, there):
        there.status = 400
        assert hand("argo-events", url=there.url)(request(), NOW_US).result is Result.FAILED


class TestWebhook:
    def test_a_request_is_signed_and_its_id_is_that_of_the_attempt(self, there):
        assert hand("webhook", url=there.url, secret=SECRET)(request(), 1_795_255_200_000_000)
        ((_, headers, body),) = there.requests
        document = json.loads(body)
        assert headers["webhook-id"] == "credit:7:1:1"
        assert document == {
            "type": "retrain.requested", "timestamp": request_record()["time"], "data": request_record()
        }  # fmt: skip

    def test_a_receiver_can_verify_it(self, there):
        import time

        hand("webhook", url=there.url, secret=SECRET)(request(), time.time_ns() // 1_000)
        ((_, headers, body),) = there.requests
        Webhook(SECRET).verify(body, headers)

    def test_models_may_have_any_name_and_each_attempt_has_an_id_of_its_own(self):
        with receiver() as there:
            hand_over = hand("webhook", url=there.url, secret=SECRET)

            @given(requests)
            def any_request(asked):
                assert hand_over(asked, NOW_US) == Outcome(Result.DELIVERED)
                _, headers, _ = there.requests[-1]
                assert unquote(headers["webhook-id"]) == asked.event_id

            any_request()


class TestCommand:
    def run(self, code, **given):
        return hand("command", argv=[sys.executable, "-c", code], **given)(request(), NOW_US)

    def test_it_gets_the_request_on_standard_input_and_no_shell(self, tmp_path):
        into = tmp_path / "request.json"
        code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
        outcome = hand("command", argv=[sys.executable, "-c", code, f"{into}"])(request(), NOW_US)
        assert outcome == Outcome(Result.DELIVERED)
        assert json.loads(into.read_text()) == request_record()
        into.unlink()
        assert hand("command", argv=["echo", f"> {into}"])(request(), NOW_US).result is Result.DELIVERED
        assert not into.exists()

    @pytest.mark.parametrize(
        ("code", "result"), [(0, "delivered"), (65, "refused"), (1, "failed"), (75, "failed")]
    )
    def test_its_exit_code_says_what_came_of_it(self, code, result):
        outcome = self.run(f"import sys; print('first\\nthe reason', file=sys.stderr); sys.exit({code})")
        assert outcome.result.value == result
        assert code == 0 or f"ended with {code}: the reason" in outcome.reason

    def test_one_that_takes_too_long_is_ended_with_what_it_started(self, tmp_path):
        code = (
            "import pathlib, subprocess, sys\n"
            f"child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
            f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\nchild.wait()"
        )
        outcome = self.run(code, timeout="3s")
        assert outcome.result is Result.FAILED
        assert "took longer than 3 s" in outcome.reason
        wait_until(lambda: has_ended((tmp_path / "pid").read_text()), saying="the signal has come there")

    def test_of_the_notifiers_environment_it_gets_little_and_what_is_named_besides(self, monkeypatch):
        monkeypatch.setenv("STREAMGAUGE_SASL_PASSWORD", "of-kafka")
        monkeypatch.setenv("LANG", "C.UTF-8")
        code = (
            "import os, sys\n"
            "known = {'PATH', 'HOME', 'LANG', 'QUEUE', 'LC_CTYPE', '__CF_USER_TEXT_ENCODING'}\n"
            "found = tuple(os.environ.get(name) for name in ('LANG', 'QUEUE'))\n"
            "sys.exit(bool(os.environ.keys() - known) or 'PATH' not in os.environ\n"
            "         or found != ('C.UTF-8', 'night'))"
        )
        assert self.run(code, environment={"QUEUE": "night"}) == Outcome(Result.DELIVERED)
        assert self.run(code).result is Result.FAILED

    def test_the_values_of_its_environment_are_cut_out_of_what_is_told(self):
        outcome = self.run(
            "import os, sys; sys.exit('login failed: ' + os.environ['TOKEN'] + ' is no token')",
            environment={"TOKEN": "s3cret\nof two lines", "OTHER": "s3cret", "EMPTY": ""},
        )
        assert outcome.reason.endswith("ended with 1: login failed: *** is no token")
        code = "import os, sys; sys.exit(os.environ['KEY'].strip())"
        assert self.run(code, environment={"KEY": "of a file\n"}).reason.endswith("ended with 1: ***")

    def test_of_much_that_it_says_the_last_line_is_told_and_of_a_line_without_end_nothing(self):
        flood = "import sys; sys.stderr.write('x' * 9_000_000 + {last!r}); sys.exit(65)"
        outcome = self.run(flood.format(last="\nthe reason\n"))
        assert (outcome.result, outcome.reason) == (
            Result.REFUSED,
            f"{sys.executable} ended with 65: the reason",
        )
        assert self.run(flood.format(last="")).reason == f"{sys.executable} ended with 65"

    def test_one_that_says_something_all_the_time_is_ended_too(self):
        outcome = self.run("while True: print('on and on', file=__import__('sys').stderr)", timeout="2s")
        assert (outcome.result, "took longer than 2 s" in outcome.reason) == (Result.FAILED, True)

    @pytest.mark.parametrize("wrong", [{"A=B": "c"}, {"": "c"}, {"A": "b\0c"}])
    def test_variables_that_no_system_takes_are_refused(self, wrong):
        with pytest.raises(ValueError, match="environment"):
            ALL_KINDS["command"].model_validate({"kind": "command", "argv": ["a"], "environment": wrong})

    def test_one_that_is_not_there_or_does_not_read_is_told(self):
        assert hand("command", argv=["/no/such/command"])(request(), NOW_US).result is Result.FAILED
        assert self.run("pass").result is Result.DELIVERED


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("airflow", {"dag": "d"}),
        ("github", {"repository": "a/b", "token": "t"}),
        ("argo-events", {}),
        ("webhook", {"secret": SECRET}),
    ],
)
def test_no_private_address_is_reached_unless_it_is_allowed(there, kind, given):
    target = ALL_KINDS[kind].model_validate({"kind": kind, "url": base(there), **given})
    outcome = hook(target, Allowed([]))(request(), NOW_US)
    assert outcome.result is Result.FAILED
    assert "not a public address" in outcome.reason
    assert there.requests == []


def test_a_trial_says_that_it_is_a_dry_run(there):
    assert trial_request(hand("argo-events", url=there.url), NOW_US).result is Result.DELIVERED
    assert there.documents[0]["dry_run"] is True
    assert there.documents[0]["request_id"] == sample_request(NOW_US).request_id


@pytest.mark.parametrize(
    "wrong",
    [{"model": 7}, {"version": None}, {"request_id": ["a"]}, {"attempt": "1"}, {"reasons": "drift"},
     {"reasons": ["drift"]}, {"expires_at": "2026-11-21T10:00:00"}, {"time": "soon"}],
)  # fmt: skip
def test_what_is_no_request_by_its_types_is_not_handed_over(wrong):
    checked_request(request())
    with pytest.raises(BadEvent, match=next(iter(wrong))):
        checked_request(request(**wrong))


def test_an_answer_is_given_until_kafka_has_it_or_the_notifier_stops():
    left, stop = [StreamgaugeError("no broker"), StreamgaugeError("no broker"), None], Event()

    def answer():
        if (error := left.pop(0)) is not None:
            raise error

    assert until_stored(answer, stop, pause_s=0.0)
    assert left == []
    left.append(StreamgaugeError("no broker"))
    stop.set()
    assert not until_stored(answer, stop)
