"""Decision to lock: the door machine and its parts."""
