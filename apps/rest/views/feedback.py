"""Feedback on memories, and the weights retrieval takes from it."""

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.feedback.selectors import params_get, signal_counts, signals_by_tier
from apps.feedback.services import feedback_give, params_set, params_tune
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from memoria.feedback import TUNING_SIGNALS, Params


class FeedbackBody(Body):
    signal: str
    """useful, irrelevant, outdated or wrong."""
    context: str | None = None


class FeedbackAnswer(msgspec.Struct):
    feedback_id: str
    memory_id: str
    signal: str
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The kinds of personal data that were masked in the context."""


class FeedbackStats(msgspec.Struct):
    total: int
    useful: int
    irrelevant: int
    outdated: int
    wrong: int


class TierSignal(msgspec.Struct):
    tier: str
    signal: str
    count: int


class FeedbackByTier(msgspec.Struct):
    breakdown: list[TierSignal]


class ParamsBody(Body):
    feedback_weight: float | None = None
    """0.01 … 0.5: how much feedback moves a score."""
    temporal_decay_hours: float | None = None
    """1 … 720: how slowly memories grow stale; 168 is the usual pace."""
    confidence_weight: float | None = None
    """0 … 0.5: how much of a score faded trust can take away."""


class WeightsObject(msgspec.Struct):
    feedback_weight: float
    temporal_decay_hours: float
    confidence_weight: float


class ParamsObject(msgspec.Struct):
    user_id: str
    feedback_weight: float
    temporal_decay_hours: float
    confidence_weight: float


class TuneAnswer(msgspec.Struct, omit_defaults=True):
    tuned: bool
    message: str | None = None
    current_params: WeightsObject | None = None
    old_params: WeightsObject | None = None
    new_params: WeightsObject | None = None


def _weights(params: Params) -> WeightsObject:
    return WeightsObject(params.feedback_weight, params.temporal_decay_hours, params.confidence_weight)


class FeedbackView(UserView):
    @describe(
        summary="Say whether a retrieved memory was of use",
        body=FeedbackBody,
        answer=FeedbackAnswer,
        status=201,
        errors=(404,),
        example={"signal": "useful", "context": "answered where deploys run"},
    )
    def post(self, request: Request, memory_id: str) -> Response:
        body = read_body(request, FeedbackBody)
        given = feedback_give(
            memory_id=memory_id, signal=body.signal, context=body.context, now=timezone.now()
        )
        return Response(
            FeedbackAnswer(given.feedback_id, memory_id, body.signal, list(given.masked) or msgspec.UNSET),
            status=201,
        )


class FeedbackStatsView(UserView):
    @describe(summary="How often each signal was given", answer=FeedbackStats)
    def get(self, request: Request) -> Response:
        counts = signal_counts()
        return Response(FeedbackStats(total=sum(counts.values()), **counts))


class FeedbackByTierView(UserView):
    @describe(summary="Signals by the trust tier of their memories", answer=FeedbackByTier)
    def get(self, request: Request) -> Response:
        return Response(FeedbackByTier([TierSignal(*row) for row in signals_by_tier()]))


class RetrievalParamsView(UserView):
    @describe(summary="The weights of the caller's retrieval", answer=ParamsObject)
    def get(self, request: Request) -> Response:
        return self._answer(params_get())

    @describe(
        summary="Set some of the weights; they are clamped and act at once",
        body=ParamsBody,
        answer=ParamsObject,
        example={"feedback_weight": 0.2},
    )
    def put(self, request: Request) -> Response:
        body = read_body(request, ParamsBody)
        return self._answer(params_set(changes=msgspec.structs.asdict(body)))

    def _answer(self, params: Params) -> Response:
        return Response(ParamsObject(self.caller.user_id, *msgspec.structs.astuple(_weights(params))))


class TuneView(UserView):
    @describe(summary="Let new feedback move the weight of feedback", answer=TuneAnswer)
    def post(self, request: Request) -> Response:
        tuning = params_tune(now=timezone.now())
        if tuning.new is None:
            message = (
                f"Not enough feedback to tune parameters (minimum {TUNING_SIGNALS} feedback signals required)"
            )
            return Response(TuneAnswer(tuned=False, message=message, current_params=_weights(tuning.old)))
        return Response(
            TuneAnswer(tuned=True, old_params=_weights(tuning.old), new_params=_weights(tuning.new))
        )
