"""What daemons need of the machine: doorline, sd_notify, clock, keys, status."""
