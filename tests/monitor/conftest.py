"""What many tests of the daemon begin with: a device that answers, a daemon that reads it, and weather to put it in."""

import pytest

from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.peers.weather import Weather


@pytest.fixture
async def server():
    """The golden pump."""
    async with modbus_server(device()) as running:
        yield running


@pytest.fixture
def bench(tmp_path, server):
    """A daemon of the golden configuration, without a timetable."""
    made = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state")).start()
    yield made
    made.end()


@pytest.fixture
def weather(tmp_path):
    """Clock and disk of this test's STATE, as the test wants them."""
    return Weather(tmp_path, tmp_path / "state")
