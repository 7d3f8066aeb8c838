"""Arithmetic on records; nothing here reads a file or a socket."""
