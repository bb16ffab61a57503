"""What a pool shows: statistics, the status page's figures, who holds what, a dump."""
