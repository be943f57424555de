"""One attempt to each kind of target, over real connections: what it comes to, and where it may go."""

import socket
import ssl
import time
from contextlib import contextmanager
from email import message_from_bytes

import pytest
import trustme
from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook

from streamgauge.notify import addresses
from streamgauge.notify.addresses import Allowed, ForbiddenAddressError
from streamgauge.notify.config import KINDS
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.http import Request, post
from streamgauge.notify.senders import sender
from streamgauge.notify.trial import trial
from streamgauge.schemas.errors import ConfigurationError
from tests.notify.receivers import receiver

LOOPBACK = Allowed(["127.0.0.0/8", "::1"])
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_US = 1_795_255_200_000_000


@pytest.fixture
def there():
    with receiver() as made:
        yield made


def target(kind, **given):
    return KINDS[kind].model_validate({"kind": kind, **given})


class TestPost:
    def test_it_sends_body_and_headers_to_the_path(self, there):
        outcome = post(Request(there.url, b"{}", {"X-A": "b"}), LOOPBACK, ())
        assert outcome == Outcome(Result.DELIVERED)
        ((path, headers, body),) = there.requests
        assert (path, body, headers["x-a"]) == ("/in?a=b", b"{}", "b")
        assert headers["host"] == f"127.0.0.1:{there.port}"

    def test_credentials_in_the_url_are_basic_authentication(self, there):
        post(Request(there.url.replace("127", "u%40x:p@127", 1), b"{}"), LOOPBACK, ())
        assert there.requests[0][1]["authorization"] == "Basic dUB4OnA="
        assert "@" not in there.requests[0][1]["host"]

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects_are_not_followed(self, there, status):
        with receiver() as other:
            there.answers = [(status, {"Location": other.url})]
            outcome = post(Request(there.url, b"{}"), LOOPBACK, ())
            assert outcome.result is Result.FAILED
            assert "redirects are not followed" in outcome.reason
            assert other.requests == []

    def test_it_says_how_long_the_target_wants_to_be_left_alone(self, there):
        there.answers = [(429, {"Retry-After": "7"})]
        assert post(Request(there.url, b"{}"), LOOPBACK, ()).pause_us == 7_000_000

    def test_an_endless_answer_is_not_read_to_its_end(self, there):
        there.answers = [(500, {"Content-Length": "9999999999"})]
        outcome = post(Request(there.url, b"{}"), LOOPBACK, ())
        assert outcome.result is Result.FAILED

    def test_nobody_there_is_a_failure_without_the_url(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        outcome = post(Request(f"http://127.0.0.1:{port}/secret", b"{}"), LOOPBACK, ())
        assert outcome == Outcome(Result.FAILED, f"no connection to 127.0.0.1:{port}")

    @pytest.mark.parametrize("host", ["a..b", "x" * 70, "nowhere.invalid"])
    def test_a_host_that_does_not_exist_is_a_failure(self, host):
        outcome = post(Request(f"http://{host}/", b"{}"), LOOPBACK, ())
        assert outcome.result is Result.FAILED
        assert outcome.reason.startswith(host)

    def test_the_next_address_of_a_host_is_tried(self, there, monkeypatch):
        monkeypatch.setattr(Allowed, "resolve", lambda *_: ["127.0.0.9", "127.0.0.1"])
        assert post(Request(there.url, b"{}"), LOOPBACK, ()).result is Result.DELIVERED

    @pytest.mark.parametrize(
        ("names", "trusted", "result"),
        [(["secure.example"], True, "delivered"), (["other.example"], True, "failed"),
         (["127.0.0.1"], True, "failed"), (["secure.example"], False, "failed")],
    )  # fmt: skip
    def test_a_certificate_must_be_the_hosts_and_trusted(self, names, trusted, result, tmp_path, monkeypatch):
        """The connection is to an address; what the certificate says of that does not count."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        monkeypatch.setattr(Allowed, "resolve", lambda *_: ["127.0.0.1"])
        with receiver(context) as secure:
            outcome = post(Request(f"https://secure.example:{secure.port}/", b"{}"), LOOPBACK, ())
            assert outcome.result == result
            assert len(secure.requests) == (result == "delivered")


class TestWhereItMayGo:
    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
         "224.0.0.1", "255.255.255.255", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::]",
         "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[::127.0.0.1]", "[fec0::1]",
         "[2002:7f00:1::]", "2130706433", "0x7f.1", "localhost"],
    )  # fmt: skip
    def test_what_is_not_public_is_refused(self, host):
        outcome = post(Request(f"http://{host}:9/", b"{}"), Allowed([]), ())
        assert outcome.result is Result.FAILED
        assert "not a public address" in outcome.reason

    def test_what_the_configuration_allows_is_reached(self, there):
        for entry in ("127.0.0.1", "127.0.0.0/8", "localhost"):
            host = "localhost" if entry == "localhost" else "127.0.0.1"
            assert (
                post(Request(f"http://{host}:{there.port}/", b"{}"), Allowed([entry]), ()).result
                is Result.DELIVERED
            )

    def test_the_connection_goes_to_the_address_that_was_looked_at(self, there, monkeypatch):
        """DNS rebinding: the second answer is another than the first."""
        asked = []
        real = socket.getaddrinfo

        def rebinding(host, *rest, **named):
            if host != "rebind.example":
                return real(host, *rest, **named)
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
            return real(address, *rest, **named)

        monkeypatch.setattr(addresses.socket, "getaddrinfo", rebinding)
        allowed = Allowed(["127.0.0.1"])
        request = Request(f"http://rebind.example:{there.port}/", b"{}")
        assert post(request, allowed, ()).result is Result.DELIVERED
        assert asked == ["rebind.example"]
        assert there.requests[0][1]["host"] == f"rebind.example:{there.port}"
        assert "not a public" in post(request, allowed, ()).reason

    def test_of_several_addresses_only_those_allowed_are_used(self, monkeypatch):
        found = [(socket.AF_INET, 0, 0, "", (each, 80)) for each in ("10.0.0.1", "93.184.215.14")]
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)
        assert Allowed([]).resolve("two.example", 80) == ["93.184.215.14"]
        found.pop()
        with pytest.raises(ForbiddenAddressError):
            Allowed([]).resolve("two.example", 80)


class _Mailbox:
    def __init__(self):
        self.mails = []
        self.answer = "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  (aiosmtpd's name)
        self.mails.append(envelope)
        return self.answer


@contextmanager
def mail_server(**how):
    box = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **how)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def mailbox():
    with mail_server() as box:
        yield box


def mail_target(mailbox, **given):
    given = {"host": "127.0.0.1", "port": mailbox.port, "sender": "s@x.org", "to": ["a@x.org"], **given}
    return target("email", **given)


class TestKinds:
    def test_alertmanager(self, there):
        made = sender(target("alertmanager", url=f"http://127.0.0.1:{there.port}/prefix/"), LOOPBACK)
        assert trial(made, NOW_US).result is Result.DELIVERED
        assert there.requests[0][0] == "/prefix/api/v2/alerts"
        assert there.documents[0][0]["labels"]["alertname"] == "test"

    def test_webhook(self, there):
        made = sender(target("webhook", url=there.url, secret=SECRET, headers={"X-Key": "k"}), LOOPBACK)
        assert trial(made, time.time_ns() // 1_000).result is Result.DELIVERED
        _, headers, body = there.requests[0]
        assert Webhook(SECRET).verify(body, headers)["type"] == "alert.opened"
        assert headers["x-key"] == "k"

    def test_pagerduty(self, there):
        there.status = 202
        assert (
            trial(sender(target("pagerduty", url=there.url, routing_key="k"), LOOPBACK), NOW_US).result
            == "delivered"
        )
        assert there.documents[0]["event_action"] == "trigger"

    def test_slack(self, there):
        made = sender(target("slack", url=there.url, title="T: $title", line="$summary"), LOOPBACK)
        assert trial(made, NOW_US).result is Result.DELIVERED
        assert there.documents[0]["text"].startswith("T: [info] opened: test")

    def test_apprise(self, there):
        made = sender(target("apprise", url=f"json://127.0.0.1:{there.port}/x"), Allowed(["127.0.0.1"]))
        assert trial(made, NOW_US).result is Result.DELIVERED
        assert there.documents[0]["title"] == "[info] opened: test 1 test"
        there.status = 500
        assert trial(made, NOW_US) == Outcome(Result.FAILED, "JSON did not take it")
        with receiver() as other:
            there.answers = [(307, {"Location": other.url})]
            assert trial(made, NOW_US).result is Result.FAILED
            assert other.requests == []

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("json://internal/x", "add that name to `allow`"),
            ("json://10.1.0.1", "Apprise would connect"),
            ("nonsense", "none that"),
        ],
    )
    def test_what_apprise_must_not_or_cannot_do_is_said_before(self, url, said):
        with pytest.raises(ConfigurationError, match=said):
            sender(target("apprise", url=url), Allowed(["10.0.0.0/24"]))

    def test_email(self, mailbox):
        made = sender(
            target("email", host="127.0.0.1", port=mailbox.port, tls="none", sender="sg@example.org",
                   to=["a@example.org", "b@example.org"]),
            LOOPBACK,
        )  # fmt: skip
        assert trial(made, NOW_US).result is Result.DELIVERED
        assert trial(made, NOW_US).result is Result.DELIVERED
        mails = [message_from_bytes(each.content) for each in mailbox.mails]
        assert mailbox.mails[0].rcpt_tos == ["a@example.org", "b@example.org"]
        assert mails[0]["Subject"] == "[info] opened: test 1 test"
        assert mails[0]["Message-ID"] == mails[1]["Message-ID"] == "<test-1795255200-1@example.org>"

    @pytest.mark.parametrize(("answer", "result"), [("550 no", "refused"), ("451 later", "failed")])
    def test_a_mail_that_is_not_taken(self, mailbox, answer, result):
        mailbox.answer = answer
        made = sender(
            target(
                "email", host="127.0.0.1", port=mailbox.port, tls="none", sender="s@x.org", to=["a@x.org"]
            ),
            LOOPBACK,
        )
        assert trial(made, NOW_US).result == result

    def test_mail_is_not_sent_in_clear_unless_that_is_said(self, mailbox):
        made = sender(mail_target(mailbox), LOOPBACK)
        outcome = trial(made, NOW_US)
        assert (outcome.result, mailbox.mails) == (Result.FAILED, [])
        assert "STARTTLS" in outcome.reason

    @pytest.mark.parametrize("tls", ["starttls", "implicit"])
    @pytest.mark.parametrize(("name", "result"), [("mail.example", "delivered"), ("other.example", "failed")])
    def test_a_mail_servers_certificate_must_be_the_hosts(self, tls, name, result, tmp_path, monkeypatch):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        how = {"tls_context": context} if tls == "starttls" else {"ssl_context": context}
        monkeypatch.setattr(Allowed, "resolve", lambda *_: ["127.0.0.1"])
        with mail_server(**how) as box:
            made = sender(mail_target(box, tls=tls, host="mail.example"), LOOPBACK)
            assert trial(made, NOW_US).result == result
            assert len(box.mails) == (result == "delivered")

    def test_mail_goes_to_allowed_addresses_only(self, mailbox):
        made = sender(
            target(
                "email", host="127.0.0.1", port=mailbox.port, tls="none", sender="s@x.org", to=["a@x.org"]
            ),
            Allowed([]),
        )
        assert "not a public address" in trial(made, NOW_US).reason
