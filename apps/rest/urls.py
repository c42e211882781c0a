"""Paths of the REST interface. Fixed segments come before parameters, so that they win.

Names may hold slashes, so what follows a name comes before the name alone.
"""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from apps.rest.views import branches, feedback, health, keys, memories, query, retrieve, snapshots, timeline

urlpatterns = [
    path("health", health.HealthView.as_view()),
    path("health/instance", health.InstanceHealthView.as_view()),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("auth/keys", keys.KeysView.as_view()),
    path("auth/keys/<str:key_id>", keys.KeyView.as_view()),
    path("auth/keys/<str:key_id>/rotate", keys.RotateKeyView.as_view()),
    path("v1/memories", memories.MemoriesView.as_view()),
    path("v1/memories/batch", memories.BatchView.as_view()),
    path("v1/memories/query", query.QueryView.as_view()),
    path("v1/memories/fulltext-search", query.FulltextView.as_view()),
    path("v1/memories/retrieve", retrieve.RetrieveView.as_view()),
    path("v1/memories/search", retrieve.SearchView.as_view()),
    path("v1/memories/correct", memories.CorrectByQueryView.as_view()),
    path("v1/memories/purge", memories.PurgeView.as_view()),
    path("v1/memories/<str:memory_id>", memories.MemoryView.as_view()),
    path("v1/memories/<str:memory_id>/correct", memories.CorrectView.as_view()),
    path("v1/memories/<str:memory_id>/feedback", feedback.FeedbackView.as_view()),
    path("v1/memories/<str:memory_id>/history", memories.HistoryView.as_view()),
    path("v1/snapshots", snapshots.SnapshotsView.as_view()),
    path("v1/snapshots/delete", snapshots.DeleteSnapshotsView.as_view()),
    path("v1/snapshots/<path:name>/diff", snapshots.SnapshotDiffView.as_view()),
    path("v1/snapshots/<path:name>/rollback", snapshots.RollbackView.as_view()),
    path("v1/snapshots/<path:name>", snapshots.SnapshotView.as_view()),
    path("v1/branches", branches.BranchesView.as_view()),
    path("v1/branches/<path:name>/checkout", branches.CheckoutView.as_view()),
    path("v1/branches/<path:name>/refresh", branches.RefreshView.as_view()),
    path("v1/branches/<path:name>/diff", branches.DiffView.as_view()),
    path("v1/branches/<path:name>/diff-items", branches.DiffItemsView.as_view()),
    path("v1/branches/<path:name>/merge", branches.MergeView.as_view()),
    path("v1/branches/<path:name>/pick", branches.PickView.as_view()),
    path("v1/branches/<path:name>/apply", branches.ApplyView.as_view()),
    path("v1/branches/<path:name>", branches.BranchView.as_view()),
    path("v1/feedback/stats", feedback.FeedbackStatsView.as_view()),
    path("v1/feedback/by-tier", feedback.FeedbackByTierView.as_view()),
    path("v1/retrieval-params", feedback.RetrievalParamsView.as_view()),
    path("v1/retrieval-params/tune", feedback.TuneView.as_view()),
    path("v1/log", timeline.LogView.as_view()),
]
