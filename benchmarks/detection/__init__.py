"""False alarms and delays of ours and others' detectors: what docs/detection.md shows."""

from benchmarks.figure import Figure


def figures() -> list[Figure]:
    """The table's lines about detection: the project's own promises."""
    from benchmarks.detection.delays import BUDGETS, CASES, delays

    table = []
    for case in CASES:
        found = delays(case)
        for budget, limit in zip(BUDGETS, case.promised, strict=True):
            name = f"detection: {case.name}, {budget}"
            promised = f"≤ {limit:,}" if limit else ""
            table += [
                Figure(f"{name}: median delay", found[budget].median, "events", promised),
                Figure(f"{name}: false alarms before", float(found[budget].false), "of 61 streams", "0"),
            ]
    return table
