"""Source data on its way to a feed."""
