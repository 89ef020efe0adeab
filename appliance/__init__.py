"""Lintel: touchless access control that runs on the device above the door."""

__version__ = "0.1.0"
