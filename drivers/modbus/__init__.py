"""Modbus, read only: questions and their answers (answers), the wire (line), the Source (source)."""
