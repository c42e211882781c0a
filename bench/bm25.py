"""The floor of the quality benchmarks: plain BM25 (k1 1.2, b 0.75) over words and single Chinese characters."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


class PlainBm25:
    def __init__(self, texts: Sequence[str]) -> None:
        self._documents = [Counter(_WORD.findall(text.lower())) for text in texts]

    def rank(self, question: str) -> list[int]:
        """Places of the texts, best first, all of them."""
        documents = self._documents
        average = sum(document.total() for document in documents) / max(len(documents), 1)
        scores = [0.0] * len(documents)
        for word in set(_WORD.findall(question.lower())):
            having = [i for i, document in enumerate(documents) if word in document]
            idf = math.log(1 + (len(documents) - len(having) + 0.5) / (len(having) + 0.5))
            for i in having:
                count, length = documents[i][word], documents[i].total() / average
                scores[i] += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
        return sorted(range(len(documents)), key=lambda i: -scores[i])
