"""kill -9 at every statement of a merge, a rollback and a collection leaves the old state, or the new one."""

import json

from tests.processes import installation, start_script

WORK = """
import json, os, signal
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from django.conf import settings
from django.db import connections
from apps.memories.models import Clock, Commit, EditLog, Memory, MergeBase, OPEN, Revision
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy import servers
from apps.tenancy.admission import admit
from apps.tenancy.scope import user_connection, user_database
from apps.tenancy.services.provision import user_provision
from apps.versioning.models import Snapshot
from apps.versioning.selectors import branch_view, view_at
from apps.versioning.services import collect as collecting
from apps.versioning.services.branches import branch_create, branch_delete
from apps.versioning.services.merge import branch_merge
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
from memoria.drafts import draft

settings.MEMORIA_HISTORY_DAYS = 1 / 24
START = datetime(2026, 1, 1, tzinfo=UTC)
hours = [0]

def now():
    hours[0] += 1
    return START + timedelta(hours=hours[0])

def store(texts, view=MAIN):
    at = now()
    done = memories_write(drafts=[draft(content=t, now=at) for t in texts], view=view, actor_id="ada",
                          operation="store", reason="", now=at, embedder=None)
    return [item.memory.memory_id for item in done]

def purge(ids, view=MAIN):
    memories_purge(wanted=purge_of(memory_ids=ids), view=view, actor_id="ada", now=now())

def prepare():
    first = store([f"first {n}" for n in range(12)])
    snapshot_create(name="then", now=now())
    branch_create(name="gone", actor_id="ada", now=now())
    store(["only there"], branch_view(name="gone"))
    branch_create(name="exp", actor_id="ada", now=now())
    view = branch_view(name="exp")
    store([f"branch {n}" for n in range(5)], view)
    purge(first[:3], view)
    purge(first[6:9])
    purge(store([f"second {n}" for n in range(4)]))
    branch_delete(name="gone", now=now())

def rows(view):
    return sorted(row for source in view.sources()
                  for row in source.values_list("memory_id", "content", "is_active", "digest", "born"))

def views():
    exp, then = branch_view(name="exp"), Snapshot.objects.get(name="then").seq
    return [rows(MAIN), rows(exp), rows(view_at(MAIN, then)), rows(view_at(exp, then))]

def state():
    clock = Clock.objects.get()
    counts = [model.objects.count() for model in (Commit, EditLog, MergeBase, Revision, Snapshot)]
    bases = sorted(Revision.objects.filter(died=OPEN).values_list("branch_id", "memory_id", "base", "digest"))
    return [views(), clock.seq, clock.active_count, counts, bases]

def read(what):
    with user_database(route):
        return what()

class Killer:
    def __init__(self, at):
        self.left = at
    def __call__(self, execute, sql, parameters, many, context):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, parameters, many, context)

def killed(work, at):
    servers.close_idle()
    connections.close_all()
    child = os.fork()
    if not child:
        with user_database(route), user_connection().execute_wrapper(Killer(at)):
            work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)

route = admit(user_provision(user_id="ada"))
with user_database(route):
    prepare()
told = {}
for name, work in {
    "merge": lambda: branch_merge(name="exp", strategy="replace", actor_id="ada", now=now()),
    "rollback": lambda: rollback(snapshot="then", actor_id="ada", now=now()),
}.items():
    before, points, at = read(state), 0, 0
    while killed(work, at):
        points, at = points + (read(state) == before), at + 1
    told[name] = {"killed": at, "old": points, "changed": read(state) != before}

collecting.BATCH = 3
read(lambda: snapshots_delete(prefix="pre_"))  # what they pin would stay
hours[0] += 10_000
before, at = read(views), 0
garbage = read(Revision.objects.count)
while killed(lambda: collecting.collect(now=now()), at):
    assert read(views) == before, at
    at += 4
assert read(views) == before
told["collect"] = {"killed": at, "freed": garbage - read(Revision.objects.count),
                   "left": sum(astuple(read(lambda: collecting.collect(now=now()))))}
print(json.dumps(told))
"""


def test_a_killed_operation_leaves_the_old_state_or_the_new(tmp_path):
    process = start_script(installation(tmp_path), WORK)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    told = json.loads(output.strip().splitlines()[-1])
    for name in ("merge", "rollback"):
        assert told[name]["killed"] == told[name]["old"] > 10
        assert told[name]["changed"]
    assert told["collect"]["killed"] > 10
    assert told["collect"]["freed"] > 5
    assert told["collect"]["left"] == 0
