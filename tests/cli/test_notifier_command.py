"""`streamgauge notifier`: its file is checked line by line; a test notification needs its target only."""

import pytest

from streamgauge.cli.main import main
from streamgauge.notify.config_file import check
from tests.notify.receivers import receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def write(folder, text):
    path = folder / "n.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("targets: {}\nroutes: [{to: a}]", "n.yaml:1: targets: Dictionary should have at least 1 item"),
        ("targets:\n  a:\n    kind: slack\n    url: ftp://x\nroutes: [{to: a}]",
         "n.yaml:4: targets.a.url: a URL is https:// or http://, a host and a path"),
        ("targets:\n  a: {kind: slack, url: 'https://x.no', chanel: b}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.chanel: unknown field; it can be expire, kind, line, title, url"),
        ("targets:\n  a: {kind: slack}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.url: required, and not given"),
        ("targets:\n  a: {kind: slack, url: '${NOT_THERE}'}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.url: the environment variable NOT_THERE is not set"),
        ("targets:\n  a: {kind: slack, url: 'https://x.no', line: $sumary}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.line: $sumary is not known; there are $title, $line,"),
        ("targets:\n  a: {kind: webhook, url: 'https://x.no', secret: abc}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.secret: a secret is whsec_ and 24 to 64 bytes in base64"),
        ("targets:\n  a: {kind: slack, url: 'https://x.no'}\nroutes:\n  - to: a\n    match: {severity: high}",
         "n.yaml:5: routes.0.match.severity.0: should be 'info', 'warning' or 'critical', not 'high'"),
        ("targets:\n  a: {kind: slack, url: 'https://x.no'}\nroutes:\n  - to: a\n    contine: true",
         "n.yaml:5: routes.0.contine: unknown field; did you mean 'continue'?"),
        ("targets:\n  a: {kind: slack, url: 'https://x.no'}\nroutes:\n  - to: b",
         "n.yaml:4: routes.0.to: no target is called 'b'; there are a"),
        ("allow: [10.0.0.0/99]\ntargets:\n  a: {kind: slack, url: 'https://x.no'}\nroutes: [{to: a}]",
         "n.yaml:1: allow: '10.0.0.0/99' does not appear to be an IPv4 or IPv6 network"),
        ("targets: [", "n.yaml:2: not YAML:"),
        ("", "n.yaml:1: takes one document, not 0"),
        ("a: 1\n---\nb: 2", "n.yaml:1: takes one document, not 2"),
        ("[]", "n.yaml:1: takes a mapping"),
        ("targets: 5\nroutes: [{to: a}]", "n.yaml:1: targets: takes a mapping"),
        ("targets:\n  a: 5\nroutes: [{to: a}]", "n.yaml:2: targets.a.kind: takes alertmanager, webhook,"),
        ("targets:\n  'a b': {kind: slack, url: 'https://x.no'}\nroutes: [{to: 'a b'}]",
         "n.yaml:2: targets.a b"),
        ("targets:\n  a: {kind: webhook, url: 'https://x.no', headers: {X: \"a\\nb\"}}\nroutes: [{to: a}]",
         "n.yaml:2: targets.a.headers: X: a header is printable ASCII"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_line_and_field(text, problem):
    problems = [str(each) for each in check("n.yaml", text, {}).problems]
    assert any(each.startswith(problem) for each in problems), problems


def test_no_secret_is_in_what_is_told():
    text = (
        "targets:\n  a: {kind: slack, url: '${U}'}\n  b: {kind: webhook, url: '${U}', secret: '${U}'}\n"
        "  c: {kind: email, host: h, port: '${U}', sender: '${U}', to: '${U}'}\nroutes: [{to: a}]"
    )
    problems = check("n.yaml", text, {"U": "ftp://hidden"}).problems
    assert problems
    assert not any("hidden" in str(problem) for problem in problems)


def test_a_file_that_is_right_is_told_so(tmp_path, capsys):
    text = "targets: {a: {kind: slack, url: 'https://x.no'}}\nroutes: [{to: a}]"
    assert main(["notifier", "--check", "--config", write(tmp_path, text)]) == 0
    assert capsys.readouterr().out.endswith("n.yaml: 1 target and 1 route, all valid\n")


def test_what_is_wrong_ends_every_verb(tmp_path, capsys):
    path = write(tmp_path, "targets: {a: {kind: slak}}\nroutes: [{to: a}]")
    for words in (["--check"], [], ["test", "--to", "a"]):
        assert main(["notifier", *words, "--config", path]) == 1
        assert "targets.a.kind: takes alertmanager" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["notifier", "--check", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_a_target_that_could_never_work_is_told_before_anything_starts(tmp_path, capsys):
    text = "targets: {a: {kind: apprise, url: 'json://internal/x'}}\nroutes: [{to: a}]"
    for words in (["--check"], ["test", "--to", "a"]):
        assert main(["notifier", *words, "--config", write(tmp_path, text)]) == 1
        assert "targets.a: Apprise would connect to internal" in capsys.readouterr().err


def test_a_test_notification_says_whether_the_target_took_it(tmp_path, capsys):
    with receiver() as there:
        text = (
            f"allow: [127.0.0.1]\ntargets:\n  hook: {{kind: webhook, url: '{there.url}', secret: {SECRET}}}\n"
            "routes: [{to: hook}]"
        )
        words = ["notifier", "test", "--config", write(tmp_path, text), "--to"]
        assert main([*words, "hook"]) == 0
        assert capsys.readouterr().out == "hook: delivered\n"
        assert there.documents[0]["data"]["model"] == "test"
        there.status = 401
        assert main([*words, "hook"]) == 1
        assert capsys.readouterr().err == "hook: failed: HTTP 401 ok\n"
        assert main([*words, "hoook"]) == 2
        assert "no target is called 'hoook'; there are hook" in capsys.readouterr().err


def test_no_kafka_is_told_in_words(tmp_path, capsys):
    text = "targets: {a: {kind: slack, url: 'https://x.no'}}\nroutes: [{to: a}]"
    words = ["notifier", "--config", write(tmp_path, text), "--bootstrap-servers", "127.0.0.1:9"]
    assert main(words) == 1
    assert "cannot reach Kafka at 127.0.0.1:9" in capsys.readouterr().err
