"""One way each of getting trades into numpy arrays: a process that is ready, waits, works."""
