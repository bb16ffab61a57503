"""One object, eight greenlets: all finish, nobody gets what another holds, first come first served."""

from ProxyPatternPool import Pool

from ..green_env import Token, at_rest, green

GREENLETS, ROUNDS = 8, 15


def run() -> None:
    pool = Pool(Token, max_size=1)
    arrivals: list[int] = []
    grants: list[int] = []

    def borrow(name: int) -> None:
        for _ in range(ROUNDS):
            arrivals.append(name)
            with pool.obj(timeout=20) as token:
                grants.append(name)
                token.take(name)
                green.sleep(0.003)
                token.leave(name)

    held = pool.get()  # until all wait, and too long for a newcomer to be let in before them
    tasks = [green.spawn(borrow, name) for name in range(GREENLETS)]
    green.eventually(lambda: pool.stats()["nwaiting"] == GREENLETS)
    green.sleep(0.005)
    pool.ret(held)
    for task in tasks:
        task.join()
    assert len(grants) == GREENLETS * ROUNDS
    assert grants == arrivals, "not first come, first served"
    at_rest(pool)
    stats = pool.stats()
    assert (stats["ncreated"], stats["nborrows"], stats["nreturns"]) == (1, len(grants) + 1, len(grants) + 1), stats
    assert stats["max_wait"] >= 0.003 * (GREENLETS - 2)
    pool.shutdown()
    print("served in order of arrival")
