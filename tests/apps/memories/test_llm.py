"""What is read out of a language model's answer."""

import pytest

from apps.memories.llm import first_json


@pytest.mark.parametrize(
    "text",
    [
        '[{"content": "a"}]',
        '```json\n[{"content": "a"}]\n```',
        'Here you go:\n```json\n[{"content": "a"}]\n```\nAnything else?',
        '<think>They want [a list] of {things}.</think>[{"content": "a"}]',
        'I found [one] thing: [{"content": "a"}] - that is all.',
    ],
)
def test_the_json_is_found_in_what_is_said_around_it(text):
    assert first_json(text) == [{"content": "a"}]


@pytest.mark.parametrize("text", ["", "none", "[oh", "{'a': 1}"])
def test_what_is_no_json_is_none(text):
    with pytest.raises(ValueError, match="no JSON"):
        first_json(text)
