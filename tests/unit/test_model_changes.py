"""When a model that serves is news."""

from __future__ import annotations

from observed import model

from edged.daemon.models import Models, describe


def test_another_file_or_another_delegate_is_news_and_the_same_after_a_restart_is_not() -> None:
    models = Models({"ssd": ("aa", "xnnpack")})
    same = model(model_name="ssd", digest="aa", delegate="xnnpack")
    assert models.serves(same) is None
    moved = models.serves(model(model_name="ssd", digest="aa", delegate="edgetpu"))
    replaced = models.serves(model(model_name="ssd", digest="bb", delegate="edgetpu", fallback="why"))
    first = models.serves(model(model_name="other", digest="cc", delegate="xnnpack"))
    assert moved
    assert replaced
    assert first
    assert [(it.previous, it.digest, it.delegate) for it in (moved, replaced, first)] == [
        ("aa", "aa", "edgetpu"),
        ("aa", "bb", "edgetpu"),
        ("", "cc", "xnnpack"),
    ]
    assert replaced.fallback == "why"


def test_the_log_says_why_it_is_not_on_an_accelerator() -> None:
    assert describe(model(fallback="no Edge TPU is connected")).endswith("; not on an accelerator: no Edge TPU is connected")
    assert "accelerator" not in describe(model(fallback=""))
