"""Every query, view and audit on a few literal rows with an answer worked out by hand."""
