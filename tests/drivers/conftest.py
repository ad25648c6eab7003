"""What several driver tests need."""

import pytest

from drivers.modbus.source import open_source
from tests.drivers.servers import spec


@pytest.fixture
def opened():
    """Opens sources and closes them after the test."""
    sources = []

    async def make(*args, **kwargs):
        source = open_source(spec(*args, **kwargs))
        sources.append(source)
        await source.open()
        return source

    yield make
    for source in sources:
        source.line.close()
