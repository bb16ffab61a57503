"""The job done by threads: through a pool, and through the website's proxy."""
