"""The parts of the job `search_stdlib.py`: texts, indexing, searching, the display, the report."""
