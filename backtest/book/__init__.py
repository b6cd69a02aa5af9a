"""The position book: what it holds, how one is drawn from a seed, how one is read from a file."""
