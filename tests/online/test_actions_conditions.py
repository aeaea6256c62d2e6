"""Conditions of actions, and where webhooks may go: pure, without a store."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from action_parts import SECRET
from storing import SentSpan, a_result

from assay.settings import InvalidSetting, Settings
from evaluator.errors import InvalidFilter
from evaluator.online.actions.condition import compile_condition
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.actions.signature import WebhookSecrets
from storage.model import Abstention, Failure, Score

ANGRY = a_result(SentSpan(), Score(value=0.3, label="angry"), metadata={"passed": "false"})
THEMES = a_result(SentSpan(), Score(value=2.0, labels=("price", "delay")))
FAILED = a_result(SentSpan(), Failure(code="JUDGE_UNAVAILABLE", message="429"))
ABSENT = a_result(SentSpan(), Abstention(reason="no context"))
ALL = {"angry": ANGRY, "themes": THEMES, "failed": FAILED, "absent": ABSENT}


@pytest.mark.parametrize(
    ("text", "true_of"),
    [
        ("", ["angry", "themes", "failed", "absent"]),
        ("value < 0.5", ["angry"]),
        ("NOT value < 0.5", ["themes"]),
        ("0.5 > VALUE", ["angry"]),
        ("value BETWEEN 0.3 AND 2", ["angry", "themes"]),
        ("value >= -1 AND NOT (label = 'angry')", ["themes"]),
        ("label = 'angry'", ["angry"]),
        ("label = 'price'", ["themes"]),
        ("label != 'price'", ["angry"]),
        ("label IN ('angry', 'delay')", ["angry", "themes"]),
        ("label NOT IN ('delay')", ["angry"]),
        ("label IS NULL", ["failed", "absent"]),
        ("status = 'failed'", ["failed"]),
        ("status = 'FAILED' OR status = 'not_applicable'", ["failed", "absent"]),
        ("passed = false", ["angry"]),
        ("NOT passed", ["angry"]),
        ("passed IS FALSE", ["angry"]),
        ("passed IS NULL", ["themes", "failed", "absent"]),
        ("error = 'JUDGE_UNAVAILABLE'", ["failed"]),
        ("error = 'X' OR value = 2", ["themes"]),
        ("value < 0.5 OR status = 'failed'", ["angry", "failed"]),
        ("metric = 'quality' AND kind = 'judge' AND level = 'span'", ["angry", "themes", "failed", "absent"]),
        ("false", []),
    ],
)
def test_a_condition_is_true_of_what_it_says_and_unknown_is_not_true(text: str, true_of: Sequence[str]) -> None:
    """Three-valued as in SQL: a failure has no value that could be below or not below anything."""
    condition = compile_condition(text)
    assert [name for name, result in ALL.items() if condition(result) is True] == list(true_of)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("valu < 1", 0, "unknown name 'valu'; did you mean 'value'?"),
        ("value < 'a'", 8, "a number is needed here, this is text"),
        ("label < 'a'", 8, "label is text: compare it by = or !="),
        ("passed = 1", 9, "true or false is needed here, this is a number"),
        ("value = NULL", 0, "NULL equals nothing"),
        ("status = 'fialed'", 9, "it is never 'fialed'; did you mean 'failed'?"),
        ("value < value", 8, "a literal is needed here"),
        ("lower(label) = 'a'", 0, "compare one of value, label"),
        ("value + 1 < 2", 0, "compare one of value, label"),
        ("label LIKE '%a'", 0, "like is not allowed"),
        ("value IN (SELECT 1)", 0, "in is not allowed"),
        ("(SELECT 1)", 8, "not allowed"),
        ("value <", 6, "something is missing after this"),
        ("value < 1; DROP TABLE x", 9, "one condition only, without ';'"),
        ("value < 1e999", 8, "this number is too large"),
        ("'a' = 'b'", 0, "compare one of value, label"),
        ("1", 0, "a condition is needed here"),
        ("x.value < 1", 0, "compare one of value, label"),
        ("(" * 40 + "true" + ")" * 40, 32, "nested more than 32 deep"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_stands(text: str, position: int, message: str) -> None:
    """With a suggestion where there is one."""
    with pytest.raises(InvalidFilter) as refused:
        compile_condition(text, field="rule.actions[2].when")
    assert (refused.value.field, refused.value.position) == ("rule.actions[2].when", position)
    assert refused.value.reason.startswith(message) or message in refused.value.reason


HOSTS = WebhookHosts(text="hooks.example.com, *.example.org,10.0.0.5:8080,[::1]:9,localhost:77")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/x?y=1",
        "http://HOOKS.example.com.:81/",
        "https://a.b.example.org",
        "http://10.0.0.5:8080/a",
        "http://[::1]:9/",
        "http://localhost:77",
    ],
)
def test_a_url_of_a_named_host_may_be_called(url: str) -> None:
    """A name with any port, unless one is named with it."""
    assert HOSTS.refusal(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://evilexample.org",
        "https://hooks.example.com.evil.com",
        "https://hooks.example.com@evil.com/",
        "https://hooks.example.com\\@evil.com/",
        "https://hooks.example.com#@evil.com/",
        "http://10.0.0.5/",
        "http://localhost:78",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.5]:8080/",
        "http://0x0a000005:8080/",
        "http://167772165:8080/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/\r\nx: y",
        "https://hooks.example.com/" + "a" * 2000,
        "hooks.example.com",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    """Whatever tricks its spelling plays."""
    assert HOSTS.refusal(url)


def test_without_the_setting_no_webhook_goes_anywhere() -> None:
    """The refusal says what to set."""
    assert WebhookHosts().refusal("https://a.example/hook") == (
        "a.example is not among the hosts that webhooks may go to: add it to ASSAY_WEBHOOK_HOSTS (not set; "
        "ASSAY_WEBHOOK_HOSTS=a.example, say)"
    )


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("a.example.org", "93.184.216.34", True),
        ("a.example.org", "10.0.0.1", False),
        ("a.example.org", "127.0.0.1", False),
        ("a.example.org", "::ffff:127.0.0.1", False),
        ("hooks.example.com", "10.0.0.1", True),
        ("hooks.example.com", "169.254.169.254", False),
        ("hooks.example.com", "::ffff:169.254.169.254", False),
        ("hooks.example.com", "fe80::1%eth0", False),
        ("hooks.example.com", "0.0.0.0", False),
        ("other.example.com", "93.184.216.34", False),
    ],
)
def test_a_name_reaches_private_networks_only_where_it_is_named_itself(host: str, address: str, allowed: bool) -> None:
    """A star stands for names of other people's choice; metadata services are reached by none."""
    assert HOSTS.may_connect(host, 443, address) is allowed


@pytest.mark.parametrize("text", ["a b", "http://x", "*", "x:0", "x:99999", "x:", "[::1", "1.2.3", "*.*.x", "ä.de"])
def test_a_list_of_hosts_that_is_none_is_refused_at_the_start(text: str) -> None:
    """With an example of one."""
    with pytest.raises(InvalidSetting, match=r"^ASSAY_WEBHOOK_HOSTS must be a list like hooks\.example\.com"):
        Settings(webhook_hosts=text)


@pytest.mark.parametrize("text", ["secret", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", f"{SECRET} x"])
def test_a_secret_that_is_none_is_refused_and_never_said(text: str) -> None:
    """Not in the message, nor in what a setting prints."""
    with pytest.raises(InvalidSetting, match=r"^ASSAY_WEBHOOK_SECRET must be whsec_ and base64") as refused:
        Settings(webhook_secret=text)
    assert text == "whsec_" or text not in str(refused.value)
    assert SECRET not in repr(Settings(webhook_secret=SECRET))
    assert SECRET not in repr(WebhookSecrets(SECRET))


def test_a_signature_is_that_of_the_specification() -> None:
    """The example that the reference libraries of Standard Webhooks test themselves with."""
    headers = WebhookSecrets(SECRET).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
