"""Faults for the job, and what it says about them."""

# Faults, put into the job before it begins, and what it must say about them. All else is right each time, so that
# none of these hides behind another.
FAULTS = {
    "a row is dropped": (
        """
        write = SQLiteConnection.write
        SQLiteConnection.write = lambda self, rows: write(self, rows[1:])
        """,
        r"wrong: rows not in the table: \d+",
    ),
    "a row is written twice": (
        """
        write = SQLiteConnection.write
        SQLiteConnection.write = lambda self, rows: write(self, rows[:1] + rows)
        """,
        r"wrong: rows not in the table: -\d+",
    ),
    "a file is left out": (
        """
        passages = Library.passages
        lost = Library(limit=60).files[7]
        indexed = set()
        def once_without(self, file):
            # The indexing reads it first; all others see it whole.
            if file == lost and threading.current_thread().name.startswith("indexing"):
                return []
            return passages(self, file)
        Library.passages = once_without
        """,
        r"wrong: files not in the table: 1\n",
    ),
    "a query fails": (
        """
        search, calls = SQLiteConnection.search, itertools.count()
        def fail_once(self, words):
            if next(calls) == 50:
                raise ZeroDivisionError
            return search(self, words)
        SQLiteConnection.search = fail_once
        """,
        r"wrong: queries not answered: 1\nwrong: jobs failed in searching: 1\nwrong: searching: .*: status 500",
    ),
    "a place too many in the answers": (
        """
        search = SQLiteConnection.search
        SQLiteConnection.search = lambda self, words: [*search(self, words), Place("z.py", 1)]
        """,
        r"wrong: \w+ \w+: [\d,]+ places, by a plain scan [\d,]+\n(.*\n)*lost: 0, wrong answers: [1-9]",
    ),
    "the sought place is missing": (
        """
        search = SQLiteConnection.search
        SQLiteConnection.search = lambda self, words: search(self, words)[1:]
        """,
        r"wrong: \w+ \w+: not found in [\w./]+ at line \d+\n(.*\n)*lost: 0, wrong answers: [1-9]",
    ),
    "a connection is kept": (
        """
        phase.REST = 0.1
        wreck, kept = SQLite.wreck, []
        def keep_one(self, pool):
            kept.append(pool.lease())
            return wreck(self, pool)
        SQLite.wreck = keep_one
        """,
        r"wrong: connections astray in searching: 1\n(.*\n)*lost: 2, wrong answers: 0 ",
    ),
    "a connection too many": (
        """
        create_app = searching.create_app
        def create_with_another(connect, close, connections):
            app = create_app(connect, close, connections)
            connect(99)
            return app
        searching.create_app = create_with_another
        """,
        r"wrong: connections too many in searching: 1\n(.*\n)*lost: 2, wrong answers: 0 ",
    ),
    "a broken connection stays": (
        """
        SQLite.wreck = lambda self, pool: 1
        """,
        r"wrong: broken connections not replaced: 1\nlost: 1, wrong answers: 0 ",
    ),
}


# The same for tasks; what is not here is found by the same code as above.
ASYNC_FAULTS = {
    "a row is dropped": (
        """
        write = AsyncSQLiteConnection.write
        AsyncSQLiteConnection.write = lambda self, rows: write(self, rows[1:])
        """,
        r"wrong: rows not in the table: \d+",
    ),
    "nothing is committed": (
        """
        from storage import async_sqlite
        async def write(self, rows):
            await self._connection.executemany(async_sqlite.INSERT, rows)
        AsyncSQLiteConnection.write = write
        """,
        r"wrong: rows not in the table: \d+",
    ),
    "a query fails": (
        """
        search, calls = AsyncSQLiteConnection.search, itertools.count()
        async def fail_once(self, words):
            if next(calls) == 50:
                raise ZeroDivisionError
            return await search(self, words)
        AsyncSQLiteConnection.search = fail_once
        """,
        r"wrong: queries not answered: 1\nwrong: jobs failed in searching: 1\nwrong: searching: .*: status 500",
    ),
    "a broken connection stays": (
        """
        async def wreck(self, pool):
            return 1
        AsyncSQLite.wreck = wreck
        """,
        r"wrong: broken connections not replaced: 1\nlost: 1, wrong answers: 0 ",
    ),
}
