from datetime import UTC, datetime

from django.db import migrations

from apps.memories import text_index


def create(apps, schema_editor):
    text_index.create(schema_editor)
    clock = apps.get_model("memories", "Clock")
    clock.objects.using(schema_editor.connection.alias).create(
        id=1, seq=0, active_count=0, ticked_at=datetime(2000, 1, 1, tzinfo=UTC)
    )


class Migration(migrations.Migration):
    dependencies = (("memories", "0001_initial"),)
    operations = (migrations.RunPython(create, migrations.RunPython.noop, atomic=False),)
