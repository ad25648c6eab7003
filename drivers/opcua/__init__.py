"""OPC UA, read only, through asyncua: values by polling or by subscription, alarms & conditions, browsing.

Nodes are named by namespace URI and resolved through the server's namespace array at every open, because the index may
change when a server restarts. One node that vanished is one bad sample by name; the others go on. Source timestamps are
kept; the server's own timestamp never stands in for one. Connections are made anew after each loss by whoever calls
`open`, and ConditionRefresh then tells which conditions are still active. What happened in between is not replayed.
"""

import logging

from drivers.opcua.source import OpcUaSource
from drivers.source import SourceSpec


def quiet() -> None:
    """Each lost connection is a traceback a second in asyncua's log; we tell it once, as a change of state."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)


def open_source(spec: SourceSpec) -> OpcUaSource:
    """The Source for a spec, not yet connected; ConfigError if it cannot be used as configured."""
    quiet()
    return OpcUaSource(spec)
