"""Settings of all tests. Machines are shared and slow at times; no property may fail for that."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "jobferry", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("jobferry")
