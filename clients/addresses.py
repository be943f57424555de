"""What is an address that HTTP can be spoken to."""

from urllib.parse import SplitResult, urlsplit


def http_parts(url: str) -> SplitResult | None:
    """The parts of an http or https URL with a host; None of anything else.

    >>> http_parts("https://registry:8081/apis").port, http_parts("ftp://a"), http_parts("https://a:port")
    (8081, None, None)
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # a port that is no number, brackets that do not close
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None
