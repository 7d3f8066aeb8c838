"""What traders and quants use: syncing, reading, following, exporting."""
