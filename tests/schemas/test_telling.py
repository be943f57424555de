"""What is told of settings and addresses: never the credentials in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.errors import AdvisedError, ConfigurationError
from streamgauge.schemas.telling import redacted, shown

#: What a password in an address can be made of; anything else would have to be escaped there.
PASSWORDS = st.text("abcXYZ019!$%&()*+,;=~-_.@/'\"", min_size=1).map(lambda text: f"MARK{text}MARK")


@given(
    PASSWORDS,
    st.sampled_from(["http://u:{}@h/a", "kafka+ssl://{}@h:1", "u:{}@h:9092", "see u:{}@[::1]:9092"]),
)
def test_credentials_before_a_host_are_taken_out(password: str, form: str) -> None:
    assert "MARK" not in redacted(form.format(password))


@pytest.mark.parametrize(
    "text",
    [
        "https://h/a?x=1&token=MARK",
        "https://h/a?sig=MARK&x=1",
        "https://h/a?code=MARK",
        'org.apache.kafka.common.security.plain.PlainLoginModule required password="MARK with spaces";',
        "sasl.password=MARK",
        "api_key = 'MARK'",
        '{"line": "password=\\"MARK\\" and more"}',
    ],
)
def test_what_is_called_a_secret_is_taken_out(text: str) -> None:
    assert "MARK" not in redacted(text)
    assert "MARK" not in shown(text)
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "streamgauge.predictions[3]@45: model credit:7 has no version credit:7@prod",
        "write host:port[,host:port…], or https://login.example/token?tenant=1",
        "ops@example.org is no mailbox; mail goes to oncall@example.org:",
        "STREAMGAUGE_SASL_TOKEN_SCOPE=kafka, at 10:00:00",
        "nothing is at http://registry:8081/apis/ccompat/v7",
    ],
)
def test_what_holds_none_is_told_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "value", ["broker", "broker:9092,b:1", "/etc/ca.pem", "C:\\ca.pem", "[::1]", "", "soon"]
)
def test_a_plain_value_is_repeated(value: str) -> None:
    assert shown(value) == repr(value)


@pytest.mark.parametrize("value", ["u:p@b:9092", "u:p w@b", "https://u:p@b/", "a?b=c", "a;b", "a#b", 'p="x"'])
def test_a_value_that_may_hold_a_secret_is_not(value: str) -> None:
    assert value not in shown(value)


def test_errors_of_settings_hold_no_credentials() -> None:
    assert "MARK" not in str(ConfigurationError("no answer from https://u:MARK@h"))
    error = AdvisedError("u:MARK@h:1 is away", "start it", where="at https://u:MARK@h ")
    assert "MARK" not in str(error) + error.cause
