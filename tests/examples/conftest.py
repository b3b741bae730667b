"""Examples run as processes."""

from tests.live.conftest import commands  # noqa: F401 - a fixture
