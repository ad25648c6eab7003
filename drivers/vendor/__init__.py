"""How vendor alerts come in: drop folders, status bits, OPC UA alarms and conditions."""
