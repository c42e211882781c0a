"""What a query asks of time.

`query` is what others use: intent() and asks_for_time_alone(). Below it, each knowing only those that follow,
`grammar` and `dates` read times off a text, `words` are the words that they know, `names` are times as they are
named, `spans` is calendar arithmetic.
"""

from memoria.temporal.query import Intent, asks_for_time_alone, intent

__all__ = ["Intent", "asks_for_time_alone", "intent"]
