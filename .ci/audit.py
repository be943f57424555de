"""What pip-audit found, in words: `audit.py build/audit.json`.

It fails if anything is vulnerable, or was not asked about.

With --offline-is-fine it passes, and says so, where the advisories could not be asked for at all: a checkout
without a way to the advisory database is to be tested all the same.
"""

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    file = Path(arguments[0])
    found = json.loads(file.read_text())["dependencies"] if file.exists() else []
    vulnerable = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {known['fix_versions'] or 'none'}"
        for each in found
        for known in each.get("vulns", ())
    ]
    unasked = [each for each in found if "skip_reason" in each]
    if vulnerable:
        print("audit: known vulnerabilities", *vulnerable, sep="\n  ")
        return 1
    if len(unasked) == len(found):
        why = unasked[0]["skip_reason"] if unasked else "pip-audit ended without a word, see build/audit.log"
        print(f"audit: NOT DONE, the advisory database could not be asked: {why}", file=sys.stderr)
        return 0 if "--offline-is-fine" in arguments else 1
    if unasked:
        print("audit: not asked about", *(f"{e['name']}: {e['skip_reason']}" for e in unasked), sep="\n  ")
        return 1
    print(f"audit: {len(found)} packages, no known vulnerability")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
