"""Paths of the REST interface. Fixed segments come before parameters, so that they win."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from apps.rest.views import health, keys, memories

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
    path("v1/memories/<str:memory_id>", memories.MemoryView.as_view()),
]
