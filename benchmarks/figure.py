"""One line of the benchmarks' table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured; `expected` is what the project promises itself, empty where nothing is."""

    name: str
    value: float
    unit: str
    expected: str = ""

    def __str__(self) -> str:
        return f"{self.name:<66} {self.value:>12,.2f} {self.unit:<14} {self.expected}"
