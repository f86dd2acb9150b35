"""Shares of people with intervals that are honest on small lists too.

Wilson's interval for one share, and Newcombe's for the difference of two (his method 10, made of two of Wilson's):
E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; R. G. Newcombe, Statist. Med. 17 (1998) 873.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95


class Rate(NamedTuple):
    """A share of people.

    Attributes:
        reached: how many.
        of: of how many.
        low, high: where the true share lies, as surely as was asked for; 0 and 1 of nobody.
    """

    reached: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of nobody."""
        return self.reached / self.of if self.of else 0.0


class Difference(NamedTuple):
    """How much higher one share is than another, and between which bounds the true difference lies."""

    by: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """True if the bounds are on one side of nothing."""
        return self.low > 0 or self.high < 0


def rate(reached: int, of: int, confidence: float = CONFIDENCE) -> Rate:
    """A share with Wilson's interval."""
    if not of:
        return Rate(reached, of, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, room = reached / of, z * z / of
    middle = (share + room / 2) / (1 + room)
    half = z * sqrt(share * (1 - share) / of + room / (4 * of)) / (1 + room)
    return Rate(reached, of, max(0.0, middle - half), min(1.0, middle + half))


def difference(one: Rate, other: Rate) -> Difference:
    """How much higher the first share is, with Newcombe's interval."""
    by = one.share - other.share
    down = sqrt((one.share - one.low) ** 2 + (other.high - other.share) ** 2)
    up = sqrt((one.high - one.share) ** 2 + (other.share - other.low) ** 2)
    return Difference(by, max(-1.0, by - down), min(1.0, by + up))
