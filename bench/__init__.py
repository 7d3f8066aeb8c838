"""Figures: ``python -m bench [NAMES…] [--json]``; what was tried to better them is in NOTES.md."""
