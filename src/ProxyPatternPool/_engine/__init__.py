"""One pool: parts that each own their state, and hold the parts below by name."""
