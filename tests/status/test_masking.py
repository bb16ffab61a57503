"""What is hidden of an error's text, and what is not."""

from __future__ import annotations

import time

import pytest

from ProxyPatternPool._status.masking import LONGEST
from ProxyPatternPool.status import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://bob:hunter2@db/app refused", "postgresql://***@db/app refused"),
        ("'mysql+pymysql://bob:p@ss/w:rd@db:3306/app'", "'mysql+pymysql://***@db:3306/app'"),
        ("redis://:hunter2@cache:6379/0", "redis://***@cache:6379/0"),
        ("https://token@git.example/x", "https://***@git.example/x"),
        ("a://b:hunter2@c, d://e:hunter2@f", "a://***@c, d://***@f"),
        ("a://b:hunter2@c,d://e:hunter2@f", "a://***@f"),
        ("cut off: postgresql://bob:hunter2", "cut off: postgresql://bob:***"),
        ("host=db password=hunter2 dbname=app", "host=db password=*** dbname=app"),
        ("host=db password='hunter2 \\' x' dbname=app", "host=db password=*** dbname=app"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("{'user': 'bob', 'password': 'hunter2'}", "{'user': 'bob', 'password': ***}"),
        ('{"apiKey": "hunter2", "a": 1}', '{"apiKey": ***, "a": 1}'),
        ("DRIVER={x};UID=bob;PWD={hunter2 x};DB=y", "DRIVER={x};UID=bob;PWD=***;DB=y"),
        ("client_secret = hunter2", "client_secret = ***"),
        ("Authorization: Bearer hunter2 sent", "Authorization: *** sent"),
        ("session_id=hunter2", "session_id=***"),
        ("password='it''s hunter2' dbname=app", "password=*** dbname=app"),
        ('password => "hunter2", user => "bob"', 'password => ***, user => "bob"'),
        ("dsn='user=bob password=\\'hun ter2\\' x=1'", "dsn='user=bob password=*** x=1'"),
        ("DRIVER={x};PWD={a}}hunter2};DB=y", "DRIVER={x};PWD=***;DB=y"),
        ("Server=h;Password=hun ter2;Pooling=1", "Server=h;Password=***;Pooling=1"),
        ("Server=h;Password=hun ter2;", "Server=h;Password=***;"),
        ("AccountName=bob;AccountKey=hunter2==;EndpointSuffix=x", "AccountName=bob;AccountKey=***;EndpointSuffix=x"),
        ("uid=bob pw=hunter2", "uid=bob pw=***"),
        ("/?password%3Dhunter2", "/?password%3D***"),
        ("CREATE USER bob IDENTIFIED BY 'hun ter2';", "CREATE USER bob IDENTIFIED BY ***;"),
        ("identified with caching_sha2 by 'hunter2' x", "identified with caching_sha2 by *** x"),
        ("ALTER ROLE bob PASSWORD 'hun''ter2' LOGIN", "ALTER ROLE bob PASSWORD *** LOGIN"),
        ("psql --password hunter2 app", "psql --password *** app"),
    ],
)
def test_what_is_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
        'FATAL: password authentication failed for user "bob"',
        "cannot reach http://db.example:5432/app",
        "[Errno 111] Connection refused: ('127.0.0.1', 5432)",
        "http://[::1]:80/x is not there",
        "",
    ],
)
def test_what_is_not(text: str) -> None:
    assert masked(text) == text


def test_half_a_secret_is_not_recognized() -> None:
    """So that a long text is not cut before it is looked at, and a very long one not shown."""
    assert masked("postgresql://bob:" + "x" * (LONGEST - 20) + "@b") == "postgresql://***@b"
    assert masked("x" * (LONGEST + 1)) == "(too long to be shown)"


SLOW = [
    "password='it''",
    "password=\\'",
    "PWD={}}",
    "password=a b ",
    "password=a;b;",
    "password=a; b",
    "identified by ",
    "identified with ",
    "--password ",
    "passw-",
    "pw",
    " ",
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["pass", "://", "a:", "token=", "'", "\\'", "://a:", "password='\\", "{", *SLOW])
def test_no_text_takes_long(part: str) -> None:
    """Of a processor's time: how long others keep it from us says nothing."""
    begun = time.thread_time()
    for _ in range(20):
        masked((part * LONGEST)[:LONGEST])
    assert time.thread_time() - begun < 5
