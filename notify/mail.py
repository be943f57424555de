"""A text as an e-mail, and the SMTP conversation that sends it, to a checked address."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from streamgauge.notify.addresses import Allowed, ForbiddenAddressError
from streamgauge.notify.config import EmailTarget
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.hiding import hide, secrets_of

TIMEOUT_S = 10.0


def message(target: EmailTarget, key: str, title: str, lines: Sequence[str], now_us: int) -> EmailMessage:
    """The mail. Its id is the same each time it is sent, so that mailboxes can tell repeats."""
    mail = EmailMessage()
    mail["Subject"] = title[:200]  # one line: that is how titles are made
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))
    mail["Message-ID"] = f"<{key}@{target.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(lines) + "\n")
    return mail


def send(target: EmailTarget, mail: EmailMessage, allowed: Allowed) -> Outcome:
    """Send it once, to all recipients or to none."""
    context = ssl.create_default_context()
    try:
        with _Smtp(target.host, target.port, allowed, context if target.tls == "implicit" else None) as smtp:
            if target.tls == "starttls":
                smtp.starttls(context=context)
            if target.username:
                smtp.login(target.username, target.password.get_secret_value())
            refused = smtp.send_message(mail)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        codes = _codes(error)
        lasting = all(code >= 500 for code in codes)
        reason = f"SMTP {', '.join(map(str, codes))}: the message is not taken"
        return Outcome(Result.REFUSED if lasting else Result.FAILED, reason)
    except (ForbiddenAddressError, smtplib.SMTPException, OSError) as error:
        return Outcome(Result.FAILED, hide(f"{type(error).__name__}: {error}", secrets_of(target))[:300])
    # some had it: sending again would repeat it to them
    return Outcome(Result.DELIVERED, f"refused for {', '.join(sorted(refused))}" if refused else "")


def _codes(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> list[int]:
    if isinstance(error, smtplib.SMTPDataError):
        return [error.smtp_code]
    return sorted({code for code, _ in error.recipients.values()})


class _Smtp(smtplib.SMTP):
    """SMTP over a connection to an address that was looked at; certificates must be the host's."""

    def __init__(self, host: str, port: int, allowed: Allowed, tls: ssl.SSLContext | None) -> None:
        self._allowed = allowed
        self._tls = tls
        self._name = host
        super().__init__(host, port, timeout=TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        *others, last = self._allowed.resolve(host, port)
        for address in others:
            with suppress(OSError):
                return self._wrapped(socket.create_connection((address, port), timeout))
        return self._wrapped(socket.create_connection((last, port), timeout))

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        return plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self._name)
