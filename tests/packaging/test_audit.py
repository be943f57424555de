"""What is said of known vulnerabilities, and when a build must stop for them."""

import json
import subprocess
import sys

import pytest

from tests.harness import ROOT

ASKED = {"name": "numpy", "version": "2.0", "vulns": []}
UNASKED = {"name": "river", "skip_reason": "not found"}
VULNERABLE = {"name": "aiohttp", "version": "3.0", "vulns": [{"id": "CVE-1", "fix_versions": ["3.1"]}]}


@pytest.mark.parametrize(
    ("found", "offline_is_fine", "code", "said"),
    [
        ([ASKED], False, 0, "1 packages, no known vulnerability"),
        ([ASKED, VULNERABLE], True, 1, "aiohttp 3.0: CVE-1, fixed in ['3.1']"),
        ([UNASKED, VULNERABLE], True, 1, "CVE-1"),
        ([ASKED, UNASKED], True, 1, "river: not found"),
        ([UNASKED], False, 1, "NOT DONE"),
        ([UNASKED], True, 0, "NOT DONE"),
        (None, False, 1, "ended without a word"),
        (None, True, 0, "NOT DONE"),
    ],
)
def test_what_is_vulnerable_fails_and_what_was_not_asked_about_is_said(
    tmp_path, found, offline_is_fine, code, said
):
    file = tmp_path / "audit.json"
    if found is not None:
        file.write_text(json.dumps({"dependencies": found}))
    more = ["--offline-is-fine"] if offline_is_fine else []
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", file, *more], capture_output=True, text=True, check=False
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
