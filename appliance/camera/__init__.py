"""Light in: sources of frames."""
