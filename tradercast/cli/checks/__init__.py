"""What `tradercast doctor` looks at, one module a subject."""
