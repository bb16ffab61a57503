"""A proxy is made before gevent or eventlet patches, as by a server that loads the application first."""

from ProxyPatternPool import control, proxy

from ..green_env import Token, green

db: object = proxy(fun=Token, max_size=4, min_size=2)


def run() -> None:
    pool = control(db).pool
    assert pool is not None
    stats = pool.stats()
    print(f"{stats['nborrows']} taken by whoever patched, {stats['navail']} idle")
    is_token = green.spawn(lambda: isinstance(db, Token)).join()
    print(f"{is_token}, {pool.stats()['nborrows']} taken by whoever asked what it is")
    green.spawn(lambda: str(db)).join()
    print(f"{pool.stats()['nborrows']} taken by whoever used it")
