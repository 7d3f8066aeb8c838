"""Feeds as they are published and read: identity, catalog, logs, trust."""
