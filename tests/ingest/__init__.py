"""Tests of reading and checking market data."""
