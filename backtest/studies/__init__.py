"""Several runs side by side: bands over seeds, the sensitivity grid."""
