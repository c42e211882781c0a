"""Which memory a correction by query means."""

import pytest

from memoria.corrections import Candidate, meant


def found(query, new, *texts, closeness=0.3):
    """Which of some texts that score nearly the same are meant, by place."""
    candidates = [Candidate(str(n), text, 1.0 - 0.01 * n, closeness) for n, text in enumerate(texts)]
    return [int(each.memory_id) for each in meant(query, new, candidates)]


TIMEOUTS = (
    "The API timeout of service A is 10 seconds",
    "The API timeout of service B is 20 seconds",
)


def test_the_new_text_tells_which_of_several_is_meant():
    assert found("API timeout", "The API timeout of service B is 30 seconds", *TIMEOUTS) == [1]
    assert found("prefers tea", "Bob prefers coffee", "Alice prefers tea", "Bob prefers tea") == [1]


def test_where_it_does_not_nobody_is_chosen():
    assert found("API timeout", "The timeout is 30 seconds", *TIMEOUTS) == [0, 1]
    assert found("prefers tea", "prefers coffee", "Alice prefers tea", "Bob prefers tea") == [0, 1]


@pytest.mark.parametrize(
    ("query", "new", "text"),
    [
        ("When is the rent due?", "The rent is due on 1 June", "The invoice is due on 3 May"),
        ("where does Carol live?", "Carol lives in Paris", "User lives in Rome"),
        ("phone number of Bob", "Bob's phone number is 7743", "Bob plays chess on Sundays"),
        ("Alice birthday", "Alice was born in May", "Alice prefers tea"),
    ],
)
def test_what_does_not_say_what_is_asked_for_is_not_corrected(query, new, text):
    assert found(query, new, text) == []


@pytest.mark.parametrize(
    ("query", "new", "text"),
    [
        ("where do deploys run?", "Deploys run from the green cluster", "Deploys run from the blue cluster"),
        ("部署在哪里运行", "部署在绿色集群运行", "部署在蓝色集群运行"),
        ("favorite drink", "User's favorite drink is tea", "User's favorite drink is coffee"),
        ("the database", "We use MySQL 8 in production", "We use PostgreSQL 16 in production"),
    ],
)
def test_what_says_it_is_corrected(query, new, text):
    assert found(query, new, text, closeness=0.2) == [0]


def test_what_means_it_in_other_words_is_corrected():
    assert found("preferred editor", "Writes code in Emacs", "Likes vim for programming", closeness=0.55) == [
        0
    ]


def test_what_is_far_behind_the_best_is_not_looked_at():
    best = Candidate("best", TIMEOUTS[0], 1.0, 0.5)
    other = Candidate("other", TIMEOUTS[1], 0.7, 0.5)
    assert meant("API timeout", "The API timeout of service B is 30 seconds", [best, other]) == [best]
