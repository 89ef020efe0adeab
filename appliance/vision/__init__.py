"""Frame to Match: the face chain."""
