"""Texts that are hard on whoever shows, escapes, cuts, writes or parses them; each is tried in every place."""

SECRET = "hunter2"

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title></style></script></textarea></noscript>",
    "<!-- ",
    " -->",
    "--!>",
    "<![CDATA[",
    "]]>",
    "<?xml",
    "</",
    "<a",
    "&lt;&#60;&#x3c;&amp;lt;",
    "&notit;&copy",
    "&#0;&#xD800;&#x110000;",
    "javascript:alert(1)",
    "`onerror=alert(1)`",
]
"""Tags, attributes, comments and references of HTML and XML."""

FORMATS = [
    "{0}{name}{}",
    "{n",
    "}}{{",
    "%s%d%(name)s%",
    "$name ${name}",
    "\\1\\g<0>",
    "{{7*7}}",
]
"""What is a place holder to `format`, `%`, `re.sub` or a template."""

METRICS = [
    'a"b',
    "a\\",
    'a\\"',
    "a\\nb",
    '"} 1\nforged{pool="',
    "\n# TYPE forged counter\nforged_total 1\n",
    "# EOF",
    '",le="+Inf',
    "NaN",
    "+Inf",
]
"""What ends a label, a line or a file of metrics."""

LINES = [
    "\r\n2026-01-01 00:00:00 ERROR forged",
    "\n",
    "\r",
    "\v\f",
    "\x1c\x1d\x1e\x1f",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\x07\x08",
    "\x1b[2J\x1b]0;forged\x07",
    "\x9b31m",
    "\x7f",
    "\r\nSet-Cookie: forged=1\r\n\r\n",
]
"""What begins a new line somewhere, a header, or an order to a terminal."""

CHARACTERS = [
    "\ud800",
    "\udfff",
    "\udfff\ud800",
    "\ud83d\ude00",
    "\udc80",
    "\ufffe\uffff\U0010ffff",
    "\ufeff",
    "\u202eexe.db",
    "\u2066\u2069\u200e\u200f\u061c",
    "\u200b\u200c\u200d\xad",
    "a" + "\u0301" * 400,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\ufb01\u0130\u0131\u1e9e\u03c2",
    "\uff1cscript\uff1e",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u0661\u0662",
]
"""Half surrogates, noncharacters, marks, joiners, directions, and what changes its length with its case."""

SIZES = ["", " ", "\t \n", "x" * 299, "x" * 300, "x" * 301, "\x00" * 301, "&" * 5000, "\U0001f600" * 301]
"""Nothing, nearly nothing, and what is at the limits of what is shown, or beyond."""

DATA = ["null", '{"format": 1, "pools": []}', "[" * 2000, "1e999", "../../etc/passwd", "1-000000000000", "?process=1&"]
"""What others read as data, as a path or as a query."""

SECRETS = [
    f"postgresql://bob:{SECRET}@db/app",
    f"host=db password={SECRET} dbname=app",
    f"PGPASSWORD={SECRET} psql",
    f"Authorization: Bearer {SECRET} sent",
    f"CREATE USER bob IDENTIFIED BY '{SECRET}';",
]
"""Errors of drivers, each with a password in it."""

NASTY = [*MARKUP, *FORMATS, *METRICS, *LINES, *CHARACTERS, *SIZES, *DATA]
