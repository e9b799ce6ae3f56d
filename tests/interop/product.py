"""Products: tables of dimensions whose combinations are the cases of the whole comparison.

A product has dimensions; a cell is one value of each. `subset` selects cells so that each pair of values of two
dimensions is in one of them, if it is possible at all. `units` makes cases of cells. Leaves the tables to products_*.py.
"""

import itertools
import random
from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Sequence

from case import Case

# The order in which the subset is selected.
SEED = 20
# What the name of a shared preparation contains; its steps are compared, but it is no cell.
PREPARATION = "/preparation"
# So many cells share one preparation.
SHARED = 40


@dataclass(frozen=True)
class Product:
    """A table. `cell` returns (preparing steps, the cell's steps).

    `dimensions` include "version". Cells with equal values in the dimensions `shared` have equal preparing steps,
    and their own steps leave nothing behind, so they run on one preparation. No dimension: each cell prepares itself.
    """

    name: str
    dimensions: Mapping[str, Sequence]
    cell: Callable
    shared: Sequence[str] = ()
    # Returns whether a cell prepares itself although others share.
    alone: Optional[Callable] = None
    # Returns whether the combination makes sense; cheaper than `cell`.
    possible: Optional[Callable] = None
    # If not None, the subset is so many cells from the first on.
    first: Optional[int] = None

    def cells(self):
        """Yields the possible combinations as {dimension: value}."""
        for values in itertools.product(*self.dimensions.values()):
            labels = dict(zip(self.dimensions, values))
            if self.possible is None or self.possible(**labels):
                yield labels

    def shares(self, labels):
        """Returns whether a cell runs on a preparation that others use."""
        return bool(self.shared) and not (self.alone and self.alone(**labels))

    def name_of(self, labels):
        """Returns the name of a cell, without its version."""
        values = [str(value) for dimension, value in labels.items() if dimension != "version"]
        return "/".join([self.name, *values])


def subset(product):
    """Returns cells that contain each possible pair of values of two dimensions, in the order of `cells`."""
    cells = list(product.cells())
    if product.first is not None:
        return cells[: product.first]
    numbers = {}
    pairs = [[numbers.setdefault(pair, len(numbers)) for pair in pairs_of(labels)] for labels in cells]
    missing = bytearray(b"\1" * len(numbers))
    order = list(range(len(cells)))
    random.Random(SEED).shuffle(order)
    chosen = set()
    least = len(pairs[0])
    while least:
        for at in order:
            if sum(missing[pair] for pair in pairs[at]) >= least:
                chosen.add(at)
                for pair in pairs[at]:
                    missing[pair] = 0
        least //= 2
    return [cells[at] for at in sorted(chosen)]


def pairs_of(labels):
    """Returns the pairs of values in a cell."""
    return itertools.combinations(labels.items(), 2)


@dataclass
class Unit:
    """Cells that run as one case, with the steps of each."""

    product: Product
    cells: Sequence[dict]

    @property
    def version(self):
        return self.cells[0]["version"]

    def case(self):
        """Returns the case, and [(name of the cell, its first step, the step after its last)]."""
        name = self.product.name_of(self.cells[0])
        steps, parts = [], []
        for labels in self.cells:
            prepare, own = self.product.cell(**labels)
            if not steps:
                steps += prepare
                begin = len(steps) if self.product.shares(labels) else 0
            if begin:
                parts = parts or [(self._preparation(), 0, begin)]
            parts.append((self.product.name_of(labels), begin, len(steps) + len(own)))
            steps += own
            begin = len(steps)
        return Case(name, name, steps, (self.version,)), parts

    def _preparation(self):
        shown = [str(self.cells[0][dimension]) for dimension in self.product.shared if dimension != "version"]
        return "/".join([self.product.name + PREPARATION, *shown])


def units(product, cells):
    """Returns the units that run these cells."""
    groups, alone = {}, []
    for labels in cells:
        if product.shares(labels):
            groups.setdefault(tuple(labels[dimension] for dimension in product.shared), []).append(labels)
        else:
            alone.append(Unit(product, [labels]))
    return alone + [Unit(product, group[at : at + SHARED]) for group in groups.values() for at in range(0, len(group), SHARED)]
