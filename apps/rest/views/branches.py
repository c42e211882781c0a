"""Branches: /v1/branches."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories.embedding import embedder
from apps.rest.base import UserView, no_content
from apps.rest.bodies import Body, read_body, read_query
from apps.rest.openapi import describe
from apps.versioning import selectors
from apps.versioning.reports import ConflictItem, Item, Updated, branch_diff, diff_text
from apps.versioning.services.branches import branch_checkout, branch_create, branch_delete, branch_refresh
from apps.versioning.services.merge import Applied, Selection, branch_apply, branch_merge
from apps.versioning.services.pick import Keys, Plan, Policy, Range, Ranking, branch_pick, pick_plan
from memoria.errors import Conflict, Invalid, NotFound
from memoria.times import rfc3339
from memoria.verdicts import Update

PREVIEW_LENGTH = 160


class Result(msgspec.Struct, omit_defaults=True):
    result: str
    created: bool | msgspec.UnsetType = msgspec.UNSET


class DoneAnswer(msgspec.Struct, omit_defaults=True):
    result: str
    restore_point: str | None = None
    """Roll back to this to undo; left out where nothing changed."""


class BranchObject(msgspec.Struct, omit_defaults=True):
    name: str
    active: bool
    created_at: str | msgspec.UnsetType = msgspec.UNSET


class BranchList(msgspec.Struct):
    branches: list[BranchObject]
    result: str


class CreateBody(Body):
    name: str
    from_snapshot: str | None = None
    from_timestamp: str | None = None
    """YYYY-MM-DD HH:MM:SS in UTC, within the last 30 minutes."""


class MergeBody(Body):
    strategy: str = "accept"
    """append keeps main's side of conflicts; replace, or accept, takes the branch's."""


class LimitQuery(Body):
    limit: int = 100


class DiffQuery(Body):
    limit: int = 50


class UpdateItem(Body):
    old_id: str
    new_id: str


class ApplyBody(Body):
    adds: list[str] = []
    removes: list[str] = []
    updates: list[UpdateItem] = []
    accept_branch_conflicts: list[str] = []


class KeySelector(msgspec.Struct, tag_field="type", tag="key_list"):
    keys: list[str]


class RangeSelector(msgspec.Struct, tag_field="type", tag="snapshot_range"):
    from_snapshot: str
    to_snapshot: str


class RetrieveSelector(msgspec.Struct, tag_field="type", tag="retrieve"):
    query: str
    top_k: int = 5
    min_score: float | None = None


class DryRun(Body):
    limit: int = 10
    offset: int = 0
    include_content_preview: bool = True
    include_scores: bool = True


class PickBody(Body):
    selector: KeySelector | RangeSelector | RetrieveSelector
    target: str = "main"
    strategy: str = "fail"
    dry_run: DryRun | None = None


class DiffItemsAnswer(msgspec.Struct):
    branch: str
    against: Literal["main"]
    added: list[Item]
    updated: list[Updated]
    removed: list[Item]
    conflicts: list[ConflictItem]
    behind_main: list[Item]


class BranchesView(UserView):
    @property
    def creates_user(self) -> bool:  # type: ignore[override]
        return self.request.method == "POST"

    @describe(
        summary="Fork main, as it is or as it was",
        body=CreateBody,
        answer=Result,
        status=201,
        errors=(404,),
        example={"name": "try-rust"},
        answer_example={"result": "Created branch 'try-rust'"},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, CreateBody)
        try:
            branch_create(
                name=body.name,
                actor_id=self.caller.user_id,
                now=timezone.now(),
                from_snapshot=body.from_snapshot,
                from_time=_timestamp(body.from_timestamp),
            )
        except Conflict as refusal:  # a text with 201, as clients expect
            return Response(Result(str(refusal), created=False), status=201)
        return Response(Result(f"Created branch '{body.name}'"), status=201)

    @describe(summary="List branches, main first", answer=BranchList)
    def get(self, request: Request) -> Response:
        records = selectors.branch_list(actor_id=self.caller.user_id)
        shown = [
            BranchObject(r.name, r.is_checked_out, rfc3339(r.created_at) if r.created_at else msgspec.UNSET)
            for r in records
        ]
        lines = [f"{r.name} ← active" if r.is_checked_out else r.name for r in records]
        return Response(BranchList(shown, "\n".join(["Branches:", *lines])))


class BranchView(UserView):
    @describe(summary="Delete a branch; unknown names and main are left as they are", status=204)
    def delete(self, request: Request, name: str) -> Response:
        if name != "main":
            branch_delete(name=name, now=timezone.now())
        return no_content()


class CheckoutView(UserView):
    @describe(summary="Let requests without a branch go to this one", answer=Result, errors=(404,))
    def post(self, request: Request, name: str) -> Response:
        count = branch_checkout(name=name, actor_id=self.caller.user_id, now=timezone.now())
        if count is None:
            return Response(Result("Switched to branch 'main'"))
        return Response(Result(f"Switched to branch '{name}'. {min(count, 50)} memories on this branch."))


class RefreshView(UserView):
    @describe(summary="Bring a branch up to main's present state", answer=Result, errors=(404, 409))
    def post(self, request: Request, name: str) -> Response:
        kept = branch_refresh(name=name, actor_id=self.caller.user_id, now=timezone.now())
        return Response(Result(f"Refreshed branch '{name}' ({kept} change(s) kept)"))


class DiffView(UserView):
    @describe(
        summary="A branch's difference from main as text", query=DiffQuery, answer=Result, errors=(404,)
    )
    def get(self, request: Request, name: str) -> Response:
        query = read_query(request, DiffQuery)
        return Response(Result(diff_text(name, branch_diff(name=name, limit=min(max(query.limit, 1), 500)))))


class DiffItemsView(UserView):
    @describe(
        summary="A branch's difference from main", query=LimitQuery, answer=DiffItemsAnswer, errors=(404,)
    )
    def get(self, request: Request, name: str) -> Response:
        query = read_query(request, LimitQuery)
        try:
            diff = branch_diff(name=name, limit=min(max(query.limit, 1), 500))
        except NotFound:
            raise NotFound(f"Branch not found: {name}") from None
        return Response(
            DiffItemsAnswer(
                name, "main", diff.added, diff.updated, diff.removed, diff.conflicts, diff.behind_main
            )
        )


class MergeView(UserView):
    @describe(summary="Bring a branch's changes to main", body=MergeBody, answer=DoneAnswer, errors=(404,))
    def post(self, request: Request, name: str) -> Response:
        body = read_body(request, MergeBody)
        try:
            merged = branch_merge(
                name=name, strategy=body.strategy, actor_id=self.caller.user_id, now=timezone.now()
            )
        except Conflict as refusal:  # a text with 200, as clients expect
            return Response(DoneAnswer(str(refusal)))
        counts = f"({merged.new} new, {merged.replaced} replaced, {merged.skipped} skipped)"
        return Response(DoneAnswer(f"Merged branch '{name}' into main {counts}", merged.restore_point))


class ApplyView(UserView):
    @describe(summary="Bring chosen items of the diff to main", body=ApplyBody, answer=Applied, errors=(404,))
    def post(self, request: Request, name: str) -> Response:
        body = read_body(request, ApplyBody)
        selection = Selection(
            adds=_ids(body.adds),
            removes=_ids(body.removes),
            updates=[Update(item.old_id.strip(), item.new_id.strip()) for item in body.updates],
            conflicts=_ids(body.accept_branch_conflicts),
        )
        applied = branch_apply(
            name=name, selection=selection, actor_id=self.caller.user_id, now=timezone.now()
        )
        return Response(applied)


class PickView(UserView):
    @describe(
        summary="Bring single changes to main or to another branch, or preview it",
        body=PickBody,
        answer=(DoneAnswer, dict[str, Any]),
        errors=(404, 409),
        example={
            "selector": {"type": "key_list", "keys": ["0195f0aa11227c3d9e4f5a6b7c8d9e0f"]},
            "dry_run": {},
        },
    )
    def post(self, request: Request, name: str) -> Response:
        body = read_body(request, PickBody)
        selector = _selector(body.selector)
        try:
            policy = Policy(body.strategy)
        except ValueError:
            raise Invalid(
                f"Validation error: Unsupported pick strategy '{body.strategy}'. Use fail, skip, or accept."
            ) from None
        target = body.target.strip() or "main"
        if body.dry_run is not None:
            return Response(_preview(body, body.dry_run, name, target, selector, policy))
        plan = branch_pick(
            source=name,
            target=target,
            selector=selector,
            policy=policy,
            embedder=embedder(),
            actor_id=self.caller.user_id,
            now=timezone.now(),
        )
        return Response(DoneAnswer(_picked(plan, selector), plan.restore_point))


def _timestamp(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("Validation error: from_timestamp must be 'YYYY-MM-DD HH:MM:SS'") from None


def _ids(given: list[str]) -> list[str]:
    return list(dict.fromkeys(text.strip() for text in given if text.strip()))


def _selector(given: KeySelector | RangeSelector | RetrieveSelector) -> Keys | Range | Ranking:
    """Check a selector's values. Raises Invalid naming the field."""
    if isinstance(given, KeySelector):
        keys = _ids(given.keys)
        if not keys:
            raise Invalid("Validation error: key_list selector requires at least one non-empty key")
        if len(keys) > 1_000:
            raise Invalid("Validation error: key_list selector supports at most 1000 unique keys")
        return Keys(keys)
    if isinstance(given, RangeSelector):
        return Range(given.from_snapshot, given.to_snapshot)
    if not 1 <= given.top_k <= 100:
        raise Invalid("Validation error: retrieve top_k must be between 1 and 100")
    if given.min_score is not None and not 0 <= given.min_score < float("inf"):
        raise Invalid(
            "Validation error: retrieve min_score must be a finite number greater than or equal to 0"
        )
    return Ranking(given.query, given.top_k, given.min_score)


def _picked(plan: Plan, selector: Keys | Range | Ranking) -> str:
    source, target = plan.source.name, plan.target.name
    done, skipped = len(plan.chosen), len(plan.candidates) - len(plan.chosen)
    if isinstance(selector, Range):
        span = f"'{selector.from_snapshot}'"
        if not plan.candidates:
            between = f"between snapshots {span} and '{selector.to_snapshot}'"
            return f"No pickable changes found in branch '{source}' {between}."
        return (
            f"Picked snapshot range {span}..'{selector.to_snapshot}' from branch '{source}' into '{target}'."
        )
    if isinstance(selector, Ranking):
        if not plan.candidates:
            return f"No pickable changes matched query '{selector.query}' in branch '{source}'."
        top = f"{done} of top {len(plan.candidates)} retrieved"
        return f"Picked {top} change(s) from branch '{source}' into '{target}' ({skipped} skipped)"
    if not plan.candidates:
        return f"No pickable changes found in branch '{source}' for the selected keys."
    ignored = f", {plan.ignored} ignored" if plan.ignored else ""
    return f"Picked {done} change(s) from branch '{source}' into '{target}' ({skipped} skipped{ignored})"


def _preview(
    body: PickBody, page: DryRun, source: str, target: str, selector: Keys | Range | Ranking, policy: Policy
) -> dict[str, Any]:
    if not 1 <= page.limit <= 100:
        raise Invalid("Validation error: dry_run.limit must be between 1 and 100")
    if page.offset < 0:
        raise Invalid("Validation error: dry_run.offset must be greater than or equal to 0")
    plan, contents = pick_plan(
        source=source, target=target, selector=selector, policy=policy, embedder=embedder()
    )
    shown = plan.candidates[page.offset : page.offset + page.limit]
    count, conflicts = len(plan.candidates), plan.conflicts
    candidates = []
    for candidate in shown:
        status, reason = _status(candidate.is_conflict, policy)
        item: dict[str, Any] = {"memory_id": candidate.memory_id}
        if page.include_content_preview:
            text = contents.get(candidate.memory_id, "")
            item["content_preview"] = text if len(text) <= PREVIEW_LENGTH else f"{text[:PREVIEW_LENGTH]}..."
        if page.include_scores and candidate.score is not None:
            item["score"] = candidate.score
        candidates.append(item | {"status": status, "reason": reason})
    return {
        "dry_run": True,
        "result": f"Previewed {count} candidate change(s) from branch '{source}' into '{target}'."
        f" Showing {len(shown)}.",
        "source": source,
        "target": target,
        "strategy": policy.value,
        "selector": msgspec.to_builtins(body.selector),
        "summary": {
            "candidate_count": count,
            "shown_count": len(shown),
            "would_apply": len(plan.chosen),
            "would_skip": conflicts if policy is Policy.SKIP else 0,
            "conflict_count": conflicts,
            "would_abort": plan.aborts,
        },
        "page": {"limit": page.limit, "offset": page.offset, "has_more": page.offset + len(shown) < count},
        "candidates": candidates,
    }


def _status(is_conflict: bool, policy: Policy) -> tuple[str, str]:
    if not is_conflict:
        return "would_apply", "new_or_updated_row"
    return {
        Policy.FAIL: ("conflict", "conflict_fail"),
        Policy.SKIP: ("would_skip", "conflict_skip"),
        Policy.ACCEPT: ("would_apply", "conflict_accept"),
    }[policy]
