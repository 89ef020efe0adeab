"""The first page: what the door does now, read-only, on this machine alone."""
