"""One file a command: what it asks for, and how its result is shown."""
