"""What a pool shows: statistics, the readings of the status page, who holds what, a dump."""
