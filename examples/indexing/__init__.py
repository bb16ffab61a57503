"""The rooms of the example `index_stdlib.py`: texts, backends, the two phases, the display, the verdict."""
