"""Refuses to build where the links to the code did not survive; everything else is in pyproject.toml.

Git writes a symbolic link as a small text file where ``core.symlinks`` is false (Windows, mostly). The build
would then succeed, without a single subpackage, and fail in users' hands.
"""

from pathlib import Path

from setuptools import setup

_PACKAGE = Path(__file__).parent / "streamgauge"
_LOST = [entry.name for entry in sorted(_PACKAGE.iterdir()) if not entry.suffix and not entry.is_dir()]
if _LOST or not (_PACKAGE / "schemas").is_dir():
    name = _LOST[0] if _LOST else "schemas"
    raise SystemExit(
        f"streamgauge/{name} is not a folder, but should be a link to ../{name}: this checkout has lost its "
        "symbolic links. Clone again with `git clone -c core.symlinks=true`."
    )

setup()
