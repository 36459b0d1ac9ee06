"""`requests` without its detection of character sets, which the agent never needs: it reads bytes and JSON.

The tables behind the detection take 4 MB and half of the start-up time. `requests` is made to work without them and
only warns; the rest of the agent imports it from here.
"""

from __future__ import annotations

import sys
import warnings

_DETECTORS = ("charset_normalizer", "chardet")
_absent = [name for name in _DETECTORS if name not in sys.modules]
for _name in _absent:
    sys.modules[_name] = None  # type: ignore[assignment]  # import then says that there is no such module
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import requests
for _name in _absent:
    del sys.modules[_name]

__all__ = ["requests"]
