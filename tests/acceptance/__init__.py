"""What must be true of the whole, shown against real servers: docs/acceptance.md has the table."""
