"""The proxy: what is forwarded, how, and to which object."""
