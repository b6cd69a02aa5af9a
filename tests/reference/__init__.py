"""The slow reference engine: the mechanism page in plain Python, one sentence of the page at a time.

It exists to disagree with the fast engine. It shares no code with the package, prefers a loop to a formula and
works in exact integers and fractions only.
"""
