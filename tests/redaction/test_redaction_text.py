"""Texts: JSON in them, keys, actions, and what must stay as it was."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from redacting import KEY, detecting, hiding, masked, standard

from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Rule

MAIL = "someone@example.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "x someone@example.com y"}', '{"a": "x [email] y"}'),
        (r'{"a": "line\nsomeone@example.com\t\"x\""}', r'{"a": "line\n[email]\t\"x\""}'),
        (r'{"a": "someone\u0040example.com"}', '{"a": "[email]"}'),
        (r'{"a": "{\"b\": \"someone@example.com\"}"}', r'{"a": "{\"b\": \"[email]\"}"}'),
        (
            r'"{\"b\": \"{\\\"c\\\": \\\"someone@example.com\\n\\\"}\"}"',
            r'"{\"b\": \"{\\\"c\\\": \\\"[email]\\n\\\"}\"}"',
        ),
        ('{"someone@example.com": 1}', '{"[email]": 1}'),
        ('{"a": "someone@example.com', '{"a": "[email]'),
        (r'{"a": "x\nsomeone@example.com', r'{"a": "x\n[email]'),
        ('data: {"a": "someone@example.com"}\n\ndata: [DONE]', 'data: {"a": "[email]"}\n\ndata: [DONE]'),
        ("{'a': 'someone@example.com', 'b': None}", "{'a': '[email]', 'b': None}"),
        ('5" screen for someone@example.com', '5" screen for [email]'),
        (r'"C:\dir\new" of someone@example.com', r'"C:\dir\new" of [email]'),
        (
            r'{"a":"é\n","b" : 1.50,"b":1E400,"c":"someone@example.com"}',
            r'{"a":"é\n","b" : 1.50,"b":1E400,"c":"[email]"}',
        ),
        ('{"emoji": "\\ud83d\\ude00 someone@example.com\\n"}', '{"emoji": "\\ud83d\\ude00 [email]\\n"}'),
        ('{"half": "\\ud83d someone@example.com\\n"}', '{"half": "\\ud83d [email]\\n"}'),
    ],
)
def test_json_is_looked_into_and_what_is_not_hidden_keeps_every_byte(text: str, expected: str) -> None:
    """Escapes, JSON in JSON, what is cut off, what is no JSON at all."""
    assert masked(detecting("email"), text) == expected


def test_a_number_of_json_that_is_hidden_becomes_a_string() -> None:
    """Otherwise the rest could not be read any more; in a text nothing gets quotes."""
    redactor = detecting("card")
    said = '{"card": 4111111111111111, "l": [4242424242424242,1], "s": "card: 4111111111111111, paid"}'
    expected = '{"card": "[card]", "l": ["[card]",1], "s": "card: [card], paid"}'
    assert masked(redactor, said) == expected
    assert masked(redactor, "[4111111111111111]") == '["[card]"]'
    assert masked(redactor, "paid with: 4111111111111111, thanks") == "paid with: [card], thanks"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"password": "x"}', '{"password": "[hidden]"}'),
        ('{"Password" :\n "x"}', '{"Password" :\n "[hidden]"}'),
        (r'{"password": "a\"b", "c": 1}', '{"password": "[hidden]", "c": 1}'),
        ('{"password": 12, "a": {"password": true}}', '{"password": "[hidden]", "a": {"password": "[hidden]"}}'),
        ('{"password": {"a": [1, "}"]}, "b": 2}', '{"password": "[hidden]", "b": 2}'),
        ('{"password": null, "b": ""}', '{"password": null, "b": ""}'),
        ('{"password": ""}', '{"password": ""}'),
        (r'{"p\u0061ssword": "x"}', r'{"p\u0061ssword": "[hidden]"}'),
        (r'{"a": "{\"password\": \"x\"}"}', r'{"a": "{\"password\": \"[hidden]\"}"}'),
        ('{"user.password": "x", "password_hint": "y"}', '{"user.password": "[hidden]", "password_hint": "y"}'),
        (
            '{"x-api-key": "a", "apiKey": "b", "API_KEY": "c"}',
            '{"x-api-key": "[hidden]", "apiKey": "[hidden]", "API_KEY": "[hidden]"}',
        ),
        ('{"password": "cut o', '{"password": "[hidden]"'),
        ("{'password': 'x', 'b': 1}", "{'password': '[hidden]', 'b': 1}"),
        ("password=x&b=1", "password=[hidden]&b=1"),
        ("PASSWORD = 'x y' # set", "PASSWORD = '[hidden]' # set"),
        ("api-key: abc123def", "api-key: [hidden]"),
        ("your password: must be long", "your password: must be long"),
        ("if password == other", "if password == other"),
        ("password=None", "password=None"),
        ("the password is secret", "the password is secret"),
    ],
)
def test_a_value_goes_by_its_key_wherever_it_stands(text: str, expected: str) -> None:
    """JSON members, JSON in JSON, Python's repr, URLs, environment files."""
    assert masked(hiding("password", "api_key"), text) == expected


def test_globs_do_not_mind_case_and_separators() -> None:
    """And are tried on the part after the last dot, too."""
    redactor = hiding("*_token", "user.?d")
    known = {key: masked(redactor, json.dumps({key: "v"})) != json.dumps({key: "v"}) for key in (
        "accessToken", "ACCESS-TOKEN", "access token", "http.refresh_token", "token", "tokens", "user.id", "x.user.id",
        "user.idx",
    )}  # fmt: skip
    assert [key for key, hidden in known.items() if hidden] == [
        "accessToken", "ACCESS-TOKEN", "access token", "http.refresh_token", "token", "user.id", "x.user.id",
    ]  # fmt: skip


def test_hashes_are_equal_for_equal_values_and_differ_with_the_key() -> None:
    """Of one thing in two spellings there is one hash; no letter of it could be a digit of anything."""
    rules = [Rule(name="email", detectors=("email",), action=Action.HASH)]
    said = masked(Redactor(rules, KEY), "Someone@Example.com and someone@example.com")
    first, _, second = said.partition(" and ")
    assert first == second
    assert set(first.removeprefix("[email:").removesuffix("]")) <= set("abcdefghijklmnop")
    assert masked(Redactor(rules, KEY), MAIL) == first
    assert masked(Redactor(rules, b"other"), MAIL) != first


def test_dropped_parts_leave_no_trace_and_dropped_members_are_null() -> None:
    """JSON stays JSON."""
    assert masked(detecting("email", action=Action.DROP), f"to {MAIL}!") == "to !"
    assert masked(hiding("password", action=Action.DROP), '{"password": "x", "a": 1}') == '{"password": null, "a": 1}'


def test_every_value_is_counted_for_its_rule() -> None:
    """Two addresses are two; a whole object under a key is one."""
    said = standard().text(f'{{"a": "{MAIL} {MAIL}", "password": {{"a": 1}}, "card": "4111 1111 1111 1111"}}')
    assert said[1] == Counter({"email": 2, "credentials": 1, "card": 1})


def test_where_rules_overlap_the_one_that_begins_first_has_all_of_it() -> None:
    """Nothing of either find is left over."""
    rules = [
        Rule(name="inner", pattern="example", action=Action.MASK),
        Rule(name="email", detectors=("email",), action=Action.MASK),
    ]
    assert Redactor(rules, KEY).text(f"to {MAIL}.") == ("to [email].", Counter({"email": 1}))


def test_redacting_again_changes_nothing() -> None:
    """What was stored may be redacted once more, before a judge for example."""
    redactor = standard()
    said = (
        f'{MAIL} +12025550143 203.0.113.7 {{"password": "x", "m": "4111111111111111"}} AKIAIOSFODNN7EXAMPLE '
        "password=abc GB29NWBK60161331926819 219-09-9999 Authorization: Bearer abcdef0123456789abcdef"
    )
    once = masked(redactor, said)
    assert masked(redactor, once) == once


def test_detectors_of_a_rule_with_keys_look_at_values_under_such_keys_only() -> None:
    """In attributes and in JSON."""
    rules = [Rule(name="staff", keys=("staff_mail",), detectors=("email",), action=Action.MASK)]
    said = f'{{"staff_mail": "to {MAIL}", "mail": "{MAIL}", "staffMail": [{{"a": "{MAIL}"}}]}}'
    expected = f'{{"staff_mail": "to [staff]", "mail": "{MAIL}", "staffMail": [{{"a": "[staff]"}}]}}'
    assert masked(Redactor(rules, KEY), said) == expected


def test_an_expression_of_ones_own_sees_the_decoded_text() -> None:
    """Anchors mean the text, a quote is a quote, letters beyond ASCII are letters."""
    rules = [Rule(name="own", pattern='^Straße|"q"|EMP-[0-9]{3}', action=Action.MASK)]
    redactor = Redactor(rules, KEY)
    assert masked(redactor, "Straße Straße EMP-123") == "[own] Straße [own]"
    assert masked(redactor, r'{"a": "Stra\u00dfe \"q\" EMP-1234"}') == '{"a": "[own] [own] [own]4"}'
