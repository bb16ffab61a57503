"""Draw the rooms of the library and a loan's way, and write the tables of docs/house.md: ``python -m tools.house``."""
