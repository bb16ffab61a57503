"""The asynchronous pools, compared on asyncio's own event loop and on uvloop."""
