"""Memory: SQLite."""
