"""All cases of the comparison, and the policy file that both servers have."""

import cases_attributes
import cases_crypto
import cases_messages
import cases_objects
from cases_messages import POLICIES

ALL = cases_objects.CASES + cases_attributes.CASES + cases_messages.CASES + cases_crypto.CASES

__all__ = ["ALL", "POLICIES"]

_NAMES = [case.name for case in ALL]
assert len(_NAMES) == len(set(_NAMES)), sorted(n for n in _NAMES if _NAMES.count(n) > 1)
