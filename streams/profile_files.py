"""Files of baseline profiles: read, written, and named by definitions."""

import json
from pathlib import Path

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.schemas.records import to_json

#: A file of a profile is small; what is larger is something else.
_LARGEST = 64 << 20
#: Bytes of a profile in a control event: Kafka takes messages of a million, if nobody said otherwise.
LARGEST_SENT = 990_000


def read_profile(path: Path) -> BaselineProfile:
    """The profile in a file. Raises `ConfigurationError` if there is none."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(f"{path} is no baseline profile: it is larger than any")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no baseline profile: it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} is no baseline profile: it is not a JSON object")
    try:
        return BaselineProfile.from_json(document)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def profile_of(definition: MonitorDefinition, folder: Path) -> BaselineProfile | None:
    """The stored profile that a definition names, if it does; relative names are looked up in `folder`.

    Raises `ConfigurationError` if it cannot be read, or is larger than a control event may be.
    """
    name = definition.baseline.profile
    if name is None:
        return None
    profile = read_profile(folder / name)
    check_size(profile, name)
    return profile


def check_size(profile: BaselineProfile, name: str) -> None:
    """Raises `ConfigurationError` if the profile does not fit into a control event."""
    size = len(to_json(profile.to_json()))
    if size > LARGEST_SENT:
        raise ConfigurationError(
            f"{name} is too large to send: {size:,} bytes as a message, and at most {LARGEST_SENT:,} go "
            "through Kafka; build it with fewer features (--feature), or of fewer categories"
        )


def write_profile(profile: BaselineProfile, path: Path) -> None:
    """As indented JSON, for people to read and compare. Raises `ConfigurationError`."""
    try:
        path.write_text(json.dumps(profile.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
