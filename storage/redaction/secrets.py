"""What keys, tokens and passwords look like, by the prefixes that their providers gave them."""

from __future__ import annotations

import re

_TOKENS = (
    rb"sk-[A-Za-z0-9_-]{16}",  # OpenAI, Anthropic, OpenRouter, Langfuse, ...
    rb"[prs]k_(?:live|test)_[A-Za-z0-9]{16}",  # Stripe
    rb"whsec_[A-Za-z0-9+/]{24}",
    rb"gh[pousr]_[A-Za-z0-9]{30}",  # GitHub
    rb"github_pat_[A-Za-z0-9_]{22}",
    rb"gl(?:pat|ptt|dt|rt|cbt|ft|oas|soat|agent|imt)-[A-Za-z0-9_-]{20}",  # GitLab
    rb"xox[abceoprs]-[A-Za-z0-9-]{10}",  # Slack
    rb"xapp-\d-[A-Za-z0-9-]{10}",
    rb"hooks\.slack\.com/[a-z]{8,9}/[A-Za-z0-9+/]{20}",
    rb"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}",  # AWS
    rb"AIza[A-Za-z0-9_-]{35}",  # Google
    rb"ya29\.[A-Za-z0-9_-]{20}",
    rb"GOCSPX-[A-Za-z0-9_-]{20}",
    rb"hf_[A-Za-z0-9]{30}",  # Hugging Face
    rb"npm_[A-Za-z0-9]{30}",
    rb"pypi-AgEI[A-Za-z0-9_-]{30}",
    rb"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16}",  # SendGrid
    rb"do[opr]_v1_[a-f0-9]{40}",  # DigitalOcean
    rb"dapi[0-9a-f]{32}",  # Databricks
    rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    rb"lin_api_[A-Za-z0-9]{30}",
    rb"gsk_[A-Za-z0-9]{30}",  # Groq
    rb"r8_[A-Za-z0-9]{30}",  # Replicate
    rb"xai-[A-Za-z0-9]{30}",
    rb"pplx-[A-Za-z0-9]{30}",  # Perplexity
    rb"lsv2_[a-z]{2}_[a-f0-9]{32}",  # LangSmith
    rb"pylf_v\d_[A-Za-z0-9_]{20}",  # Logfire
    rb"pcsk_[A-Za-z0-9_]{30}",  # Pinecone
    rb"nvapi-[A-Za-z0-9_-]{30}",
    rb"hv[bsr]\.[A-Za-z0-9_-]{24}",  # Vault
    rb"ATATT3[A-Za-z0-9_=-]{30}",  # Atlassian
    rb"AGE-SECRET-KEY-1[A-Z0-9]{40}",
    rb"SK[0-9a-f]{32}",  # Twilio
    rb"eyJ[A-Za-z0-9_-]{10}",  # JSON Web Token
)
_AFTER_A_WORD = (
    rb"\bbearer[ \t]{1,3}([a-z0-9._~+/-]{16})",
    rb"\bauthorization[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?(?:basic|token|digest)[ \t]{1,3}([^\s\"',]{6})",
    rb"\b(?:set-)?cookie:[ \t]{0,3}([^\s\"'][^\r\n\"']{3})",
    rb"://[^\s:/?#@\"']{0,64}:([^\s/?#@\"'\[\]]{1,128})@",  # a password in a URL
    rb"[?&](?:sig|x-amz-signature|x-amz-security-token|x-goog-signature)=([a-z0-9%]{16})",
)
"""The group is where the secret begins."""
_PEM = rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"

SECRET_PATTERN = rb"\b(?:%s)|%s|(?i:%s)" % (
    rb"|".join(_TOKENS),
    _PEM,
    rb"|".join(_AFTER_A_WORD).replace(b"([", b"(?:["),
)
SECRET_CANDIDATE = (
    rb"sk-|k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|gl[a-z]{2,5}-|xox[a-z]-|xapp-|hooks\.slack|A(?:KIA|SIA|BIA|CCA)"
    rb"[A-Z0-9]|AIza|ya29\.|GOCSPX|hf_|npm_|pypi-|SG\.|do[opr]_v1|dapi[0-9a-f]|shp[a-z]{2}_|lin_api|gsk_|r8_|xai-|pplx-|"
    rb"lsv2_|pylf_|pcsk_|nvapi-|hv[bsr]\.|ATATT3|AGE-SECRET|SK[0-9a-f]{32}|eyJ|PRIVATE KEY|"
    rb"(?i:bearer[ \t\\]|authorization|cookie:|[?&](?:sig|x-amz-s[a-z-]{8,16}|x-goog-signature)=)|"
    rb"://[^\s:/?#@\"']{0,64}:[^\s/?#@\"'\[\]]{1,128}@"
)

_STARTS = tuple(re.compile(word, re.IGNORECASE) for word in _AFTER_A_WORD)
_JWT = re.compile(rb"[\w-]{10,4096}+\.[\w-]{4,}+(?:\.[\w-]*+)?", re.ASCII)
_REST_OF_TOKEN = re.compile(rb"[A-Za-z0-9_-]*+(?:[./+=~-]++[A-Za-z0-9_-]{4,}+)*+=*+")
_REST_OF_VALUE = re.compile(rb"[^\s\"',;&<>]*+")
_REST_OF_COOKIE = re.compile(rb"[^\r\n\"']*+")


def whole_secret(text: bytes, start: int, end: int) -> tuple[int, int] | None:
    """From what `SECRET_PATTERN` found to the secret: the rest of the token, or the value after the word."""
    head = text[start:end]
    if head.startswith(b"-----"):
        close = text.find(b"-----END", end)
        stop = text.find(b"-----", close + 8) if close >= 0 else -1
        return start, stop + 5 if stop >= 0 else len(text)  # cut off: the rest is the key
    if head.startswith(b"eyJ"):
        token = _JWT.match(text, start)
        return token.span() if token else None
    for number, word in enumerate(_STARTS):
        if value := word.match(text, start):
            return _after_a_word(text, number, *value.span(1))
    if head.startswith(b"sk-") and not any(byte in b"0123456789" for byte in text[start : start + 64]):
        return None  # words with dashes between
    return start, start + len(_rest(text, start))


def _rest(text: bytes, start: int) -> bytes:
    found = _REST_OF_TOKEN.match(text, start)
    return found.group() if found else b""


def _after_a_word(text: bytes, number: int, start: int, end: int) -> tuple[int, int] | None:
    match number:
        case 0:
            head = text[start:end]
            prose = head.isalpha() and (head.islower() or head.isupper())
            return None if prose else (start, start + len(_rest(text, start)))
        case 2:
            rest = _REST_OF_COOKIE.match(text, end)
        case 3:
            return start, end
        case _:
            rest = _REST_OF_VALUE.match(text, end)
    return start, rest.end() if rest else end
