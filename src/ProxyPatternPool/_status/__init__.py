"""The status page: what it knows, who may see it, what it looks like."""
