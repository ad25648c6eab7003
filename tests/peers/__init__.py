"""Peers that others wrote: a Modbus server on libmodbus (C), an OPC UA server on node-opcua. Absent, tests skip."""
