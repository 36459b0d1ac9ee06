"""What all tests share: an example that Hypothesis draws may take its time, on a busy machine too."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
