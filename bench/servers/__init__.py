"""What the other ways need on the other end: each a process that says where it is."""
