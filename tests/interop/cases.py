"""All cases of the comparison, and the policy file that both servers have."""

import cases_attributes
import cases_crypto
import cases_messages
import cases_objects
from cases_messages import POLICIES

ALL = cases_objects.CASES + cases_attributes.CASES + cases_messages.CASES
# Switched off until the operations exist (compare.py --crypto runs them).
CRYPTOGRAPHY = cases_crypto.CASES

__all__ = ["ALL", "CRYPTOGRAPHY", "POLICIES"]

_NAMES = [case.name for case in ALL + CRYPTOGRAPHY]
assert len(_NAMES) == len(set(_NAMES)), sorted(n for n in _NAMES if _NAMES.count(n) > 1)
