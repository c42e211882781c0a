"""All paths: REST at the root, as clients expect, and the operators' console beside it."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("apps.rest.urls")),
    path("console/", admin.site.urls),
]

handler400 = "apps.rest.errors.bad_request"
handler404 = "apps.rest.errors.page_not_found"
handler500 = "apps.rest.errors.server_error"
