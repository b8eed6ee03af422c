"""What escaping does not cover: shapeless characters, links, file names, words for a shell."""

from __future__ import annotations

import re

import pytest

from leaderboard.text import LONGEST, page_name, registry_words, safe_url, shorten, slug, visible


def test_plain_text_is_shown_as_it_is() -> None:
    for text in ("dm", "two\nlines", "日本語 and العربية", "é ± 95 %", ""):
        assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),  # right-to-left override
        ("\x00", "⟨U+0000⟩"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("\ud800", "⟨U+D800⟩"),  # a lone surrogate, which UTF-8 cannot write
        ("\u200b", "⟨U+200B⟩"),
        ("\tx", "⟨U+0009⟩x"),
    ],
)
def test_a_shapeless_character_is_shown_by_its_code(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_very_long_text_is_cut() -> None:
    assert len(str(visible("a" * (LONGEST + 1)))) == LONGEST


def test_what_is_no_text_stays() -> None:
    assert visible(3) == 3
    assert visible(None) is None


def test_shorten_makes_one_line() -> None:
    assert shorten("a\n  b") == "a b"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten(" \n") == "(none)"


def test_slug_has_only_letters_digits_and_hyphens() -> None:
    assert slug("CIFAR-10", 10, "../../etc/passwd", "a\0b") == "cifar-10-10-etc-passwd-a-b"
    assert slug("日本") == "x"
    assert len(slug("a" * 500)) == 80


def test_page_names_differ_where_only_the_key_differs() -> None:
    names = {page_name(("x",), key) for key in (("a", "b"), ("ab", ""), ("a", "B"), ("a", "b", ""))}
    assert len(names) == 4
    assert all(re.fullmatch(r"x-[0-9a-f]{10}", name) for name in names)


@pytest.mark.parametrize("url", ["https://example.org/a?b=c#d", "http://127.0.0.1:8000/", "https://doi.org/10.1/x"])
def test_a_plain_web_link_may_be_followed(url: str) -> None:
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//example.org",
        "https:///no-host",
        "https://user:secret@example.org",
        "https://example.org:port/",
        "https://example.org/\u202egro",
        'https://example.org/" onclick="x',
        "https://example.org/a b",
        "http://[::1",
        "relative/path",
        "",
    ],
)
def test_any_other_link_is_only_shown(url: str) -> None:
    assert safe_url(url) is None


def test_only_registry_names_go_into_a_command() -> None:
    assert registry_words("dm", "convnet:depth=2,width=64", "standard-v1-lite/reference")
    for word in ("x; rm -rf ~", "$(id)", "`id`", "-rf", "a b", "", "a\nb", "a|b", "a>b", "a&b"):
        assert not registry_words("dm", word)
