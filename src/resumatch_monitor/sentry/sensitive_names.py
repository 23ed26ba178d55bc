"""Names of fields whose values must not be stored."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

# A key is sensitive if one of its words, or two adjoining ones together, is listed.
_SENSITIVE_WORDS = frozenset(
    """
    password passwd passphrase pwd secret secrets token tokens apikey accesskey secretkey privatekey
    credential credentials authorization authentication auth bearer jwt cookie cookies csrf xsrf
    csrftoken xsrftoken csrfmiddlewaretoken session sessionid sessionkey sid phpsessid mysqlpwd dsn
    ssn socialsecurity iban cvv cvc creditcard cardnumber pin otp totp stripetoken stripe mysecret
    clientsecret signingkey encryptionkey connectionstring affinity
    email emailaddress mail phone phonenumber telephone birthdate dateofbirth dob
    ipaddress remoteaddr clientip forwarded forwardedfor realip
    resume resumetext resumecontent resumebytes cv cvtext coverletter jobtext jobdescription
    extractedtext documenttext rawtext fulltext plaintext filecontent filecontents filebytes
    filedata
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
# What a sensitive word does not make sensitive: numbers and identifiers beside the thing itself.
_HARMLESS_SUFFIXES = frozenset({"id", "ids", "count", "length", "size", "type", "name", "format"})
_IDENTIFYING_WORDS = frozenset({"session", "resume", "cv", "email", "token", "file", "secret"})
_HARMLESS_KEYS = frozenset({"_session_id_length", "resume_at"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ADDRESS_WORDS = frozenset(
    {"ipaddress", "remoteaddr", "clientip", "forwarded", "forwardedfor", "realip"}
)


class SensitiveNames:
    """Tells by its name whether a field's value must not be stored."""

    def __init__(
        self,
        *,
        extra: Iterable[str] = (),
        safe: Iterable[str] = (),
        with_addresses: bool = True,
    ) -> None:
        """Take the rules.

        Args:
            extra: Names that are sensitive beside the built-in ones.
            safe: Names that are not, although the built-in rules say so.
            with_addresses: Whether names of network addresses are.
        """
        self._extra = frozenset(_squeeze(name) for name in extra)
        self._safe = frozenset(_squeeze(name) for name in safe)
        self._words = _SENSITIVE_WORDS if with_addresses else _SENSITIVE_WORDS - _ADDRESS_WORDS
        self.is_sensitive = lru_cache(maxsize=8_192)(self._decide_sensitive)

    def _decide_sensitive(self, key: str) -> bool:
        if len(key) > 200 or key in _HARMLESS_KEYS:
            return False
        squeezed = _squeeze(key)
        if squeezed in self._extra:
            return True
        if squeezed in self._safe:
            return False
        if squeezed in self._words:
            return True
        words = [word.lower() for word in _WORD.findall(key)]
        if len(words) > 1 and words[-1] in _HARMLESS_SUFFIXES and words[-2] in _IDENTIFYING_WORDS:
            # `session_id` lets somebody in, `resume_id` does not.
            return words[-2] == "session" and words[-1] == "id"
        pairs = [first + second for first, second in pairwise(words)]
        return not self._words.isdisjoint([*words, *pairs])


def _squeeze(key: str) -> str:
    return "".join(character for character in key.lower() if character.isalnum())
