"""Hide what looks like a password in the text of an error."""

import re

LONGEST = 4000
"""Characters of a text that is searched; a longer one is not shown, since half a secret is not recognized."""

_HIDDEN = "***"

_QUOTED = r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|\\'(?:(?!\\').)*\\'|\\"(?:(?!\\").)*\\\""""
_VALUE = "|".join(
    [
        _QUOTED,
        r"\{(?:[^}]|\}\})*\}",  # ODBC's own quotes
        r"[^\s;'\"][^;\n]*(?=;\s*(?:[\w ]+=|['\")]|$))",  # with spaces, up to the next setting of an ODBC string
        r"(?:(?:basic|bearer|digest|negotiate)\s+)?\S+",
    ]
)
_USER_INFO = re.compile(r"""://[^\s'"]*@""")  # to the last @: passwords hold some
_CUT_USER_INFO = re.compile(r"""(://[^\s'"/:@\[]*:)(?!\d+(?:[\s'"/?#,;)]|$))[^\s'"]+""")  # not a port; the @ is missing
_SETTING = re.compile(
    r"((?:passw|passphrase|passcode|passe\b|pwd|(?<![a-z])pw\b|pass\b|secret|token|credential|cookie|session|auth|"
    r"(?:api|access|account|private|shared).?key|(?<![a-z])sig\b)"
    rf"""[\w-]*\\?["']?\s*(?:=>|:=|[=:]|%3d)\s*)(?:{_VALUE})""",
    re.IGNORECASE,
)
_STATED = re.compile(  # in SQL, and on a command line
    r"""(\bidentified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?|\bpassword\s+(?=['"])|--pass\w*\s+)"""
    rf"(?:{_QUOTED}|\S+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Hide what looks like a password: for ``status_app(…, error_text=masked)``.

    That is the part before the ``@`` of an URL, the values of settings such as ``password=…``, ``token: …`` and
    ``Authorization: …``, and what follows ``IDENTIFIED BY`` or ``--password``. It cannot
    know all: a secret that a driver puts into an error in another way is shown.
    """
    if len(text) > LONGEST:
        return "(too long to be shown)"
    text = _USER_INFO.sub(f"://{_HIDDEN}@", text)
    text = _CUT_USER_INFO.sub(rf"\1{_HIDDEN}", text)
    text = _SETTING.sub(rf"\1{_HIDDEN}", text)
    return _STATED.sub(rf"\1{_HIDDEN}", text)
