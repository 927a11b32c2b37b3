"""What holds for all tests: the same draws on every machine, and a busy one is no reason to fail."""

import os

from hypothesis import HealthCheck, settings

IS_LONG_RUN = "FENCEPOST_EXAMPLES" in os.environ
"""Somebody looks for what nobody has drawn yet; see CONTRIBUTING.md."""

settings.register_profile(
    "any machine",
    deadline=None,
    derandomize=not IS_LONG_RUN,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
