"""One position by hand: what a venue makes of it, in the engine's integers."""
