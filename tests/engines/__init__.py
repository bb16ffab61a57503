"""Tests of the pools for SQLAlchemy and of their page. `make peers` runs them with each release of it."""
