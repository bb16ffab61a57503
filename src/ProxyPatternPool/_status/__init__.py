"""The status page: its samples and data, who may see it, its HTML."""
