"""What a case of the side-by-side comparison is."""

from dataclasses import dataclass
from typing import Sequence

ALL = ((1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0))
V1 = ALL[:5]
V2 = ALL[5:]
FROM_1_1 = ALL[1:]
FROM_1_2 = ALL[2:]
FROM_1_3 = ALL[3:]


@dataclass
class Case:
    """A name, what it is about, and the messages. `text`: `compare.py --texts` shows whether the
    result messages agree; `aligned`: begins with a fresh second of the clock, because order
    depends on it."""

    name: str
    about: str
    steps: Sequence
    versions: Sequence = ALL
    text: bool = False
    aligned: bool = False


def case(name, about, *steps, **options):
    """One row of a table."""
    return Case(name, about, steps, **options)
