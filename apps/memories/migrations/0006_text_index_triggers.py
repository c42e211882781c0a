from django.db import migrations

from apps.memories import text_index


def rebuild(apps, schema_editor):
    """What a merge gave another text could no longer be found by the words that both texts have."""
    text_index.rebuild(schema_editor)


class Migration(migrations.Migration):
    dependencies = (("memories", "0005_relations_and_repeats"),)
    operations = (migrations.RunPython(rebuild, migrations.RunPython.noop, atomic=False),)
