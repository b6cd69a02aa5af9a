"""The replay loop: state, ladder, one step, and the record of it."""
