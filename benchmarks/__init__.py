"""Benchmarks: what a pooled object, or one behind a proxy, costs here, and what it costs elsewhere.

``python -m benchmarks`` makes one run over all topics, prints tables and targets, and writes them with the figures
and the plots into a folder for this Python in ``benchmarks/results``. Above these folders are the tables of all Pythons
in one file, and the plots of the one that most people have. Contenders take turns in short rounds, so that a busy
machine disturbs all of them alike; figures are medians of the rounds, ratios are medians of the ratios within each
round.
"""
