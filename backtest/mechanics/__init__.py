"""The rules, pure: integers and arrays in, integers and arrays out. No files, clock or randomness."""
