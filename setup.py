"""Refuses to build where the links to the code did not survive; everything else is in pyproject.toml.

Git writes a symbolic link as a small text file where ``core.symlinks`` is false (Windows, mostly). The build
would then succeed, without a single subpackage, and fail in users' hands.
"""

from pathlib import Path

from setuptools import setup

_PACKAGE = Path(__file__).parent / "streamgauge"
_BROKEN = [name for name in ("cli", "clients", "demo", "detectors", "schemas", "streams") if not (_PACKAGE / name).is_dir()]
if _BROKEN:
    raise SystemExit(
        f"streamgauge/{_BROKEN[0]} is not a folder but should be a link to ../{_BROKEN[0]}: this checkout has lost "
        "its symbolic links. Clone again with `git clone -c core.symlinks=true …`."
    )

setup()
