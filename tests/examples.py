"""How many examples Hypothesis tries: as many as a test asks for in CI, a tenth in the daily `make check`."""

from typing import Any

from hypothesis import settings

#: What Hypothesis tries where nothing is said, and in the profile ``daily`` (conftest.py).
USUAL, DAILY = 100, 10


def examples(count: int, **more: Any) -> settings:
    """Settings of a test that tries `count` examples; in the profile ``daily`` a tenth, but four at least."""
    share = min(settings.default.max_examples / USUAL, 1.0)
    return settings(max_examples=max(4, round(count * share)), deadline=None, **more)
