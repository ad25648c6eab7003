"""The historian: a hot SQLite file for the last hours, Parquet folders for all of history."""
