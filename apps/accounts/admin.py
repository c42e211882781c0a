"""Console pages of API keys, and of the console's own accounts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from apps.accounts.models import ApiKey
from apps.accounts.services import key_create, key_revoke
from memoria.errors import Invalid, MemoriaError
from memoria.naming import checked_user_id

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(PlainUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, ModelAdmin):
    pass


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a key needs; the database of the user is made with the first key."""

    user_id = forms.CharField(max_length=64, strip=False, widget=UnfoldAdminTextInputWidget)
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    expires_at = forms.SplitDateTimeField(required=False, widget=UnfoldAdminSplitDateTimeWidget)

    class Meta:
        model = ApiKey
        fields = ("user_id", "name", "expires_at")

    def clean_user_id(self) -> str:
        try:
            return checked_user_id(self.cleaned_data["user_id"])
        except Invalid as error:
            raise ValidationError(str(error)) from None


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Create shows the key once; afterwards there is only its beginning."""

    list_display = ("key_prefix", "name", "user_id", "state", "created_at", "expires_at", "last_used_at")
    list_filter = ("is_active",)
    search_fields = ("user_id", "name", "key_prefix")
    ordering = ("-created_at",)
    actions = ("revoke",)
    exclude = ("key_hash",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return NewKeyForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    @display(description="state", label={"active": "success", "expired": "warning", "revoked": "danger"})
    def state(self, row: ApiKey) -> str:
        if not row.is_active:
            return "revoked"
        return "expired" if row.expires_at is not None and row.expires_at <= timezone.now() else "active"

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        created = key_create(
            user_id=obj.user_id, name=obj.name, expires_at=obj.expires_at, now=timezone.now()
        )
        obj.pk = created.record.key_id
        obj.key_prefix = created.record.key_prefix
        request.raw_key = created.raw_key  # type: ignore[attr-defined]

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().add_view(request, *args, **kwargs)
        except MemoriaError as error:  # a suspended user, a server that is busy
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in this very answer: a message would put it into a cookie, a session into the database."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The key, shown only now",
            "raw_key": request.raw_key,  # type: ignore[attr-defined]
            "user_id": obj.user_id,
        }
        response = TemplateResponse(request, "admin/api_key_created.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke: refused at once", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        ids = list(rows.values_list("key_id", flat=True))
        for key_id in ids:
            key_revoke(key_id=key_id)
        self.message_user(request, f"{len(ids)} key(s) revoked.", messages.SUCCESS)
