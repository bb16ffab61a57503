"""The job done by tasks of asyncio: through pools whose connections are used with `await`."""
