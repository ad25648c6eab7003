"""What several driver tests need."""

import pytest
import pytest_asyncio

from drivers.modbus.source import open_source
from tests.drivers.servers import opcua_server, spec


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    """One OPC UA server for the tests of a file: its address space takes a second to build."""
    async with opcua_server() as running:
        yield running
