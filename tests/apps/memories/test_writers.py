"""Several writers of one user at once, in several processes: what is said by all of them is remembered once."""

import json
import subprocess

from django.utils import timezone

from tests.processes import installation, start_script

COMMON = """
import json, random
from django.utils import timezone
from apps.memories.models import Clock, Memory
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy.admission import active_route, admit
from apps.tenancy.scope import user_database
from apps.tenancy.services.provision import user_provision
from memoria.drafts import draft
from memoria.errors import NotFound

def say(*texts):
    now = timezone.now()
    return memories_write(drafts=[draft(content=text, now=now) for text in texts], view=MAIN, actor_id="ada",
                          operation="store", reason="", now=now, embedder=None)
"""
PREPARE = (
    COMMON
    + """
with user_database(admit(user_provision(user_id="ada"))):
    for done in say("The kettle is one of a kind", "The port is 1"):
        print(done.memory.memory_id, flush=True)
"""
)
# Each process says the same forty texts in an order of its own, in batches or one by one, tells where the port is
# now, and corrects one memory.
WRITE = (
    COMMON
    + """
number, size, corrected, until = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
texts = [f"Fact {n} of the house" for n in range(40)]
random.Random(number).shuffle(texts)
import time
time.sleep(max(0, until - time.time()))
wins = 0
with user_database(active_route(user_id="ada")):
    for start in range(0, len(texts), size):
        say(*texts[start:start + size])
    say(f"The port is {number + 2}")
    try:
        memory_correct(view=MAIN, memory_id=corrected, new_content=f"The kettle is number {number}", reason="",
                       actor_id="ada", now=timezone.now(), embedder=None)
        wins = 1
    except NotFound:
        pass
print(wins, flush=True)
"""
)
LOOK = (
    COMMON
    + """
with user_database(active_route(user_id="ada")):
    rows = list(Memory.objects.filter(is_active=True).values_list("content", flat=True))
    superseded = set(Memory.objects.filter(is_active=False).values_list("superseded_by", flat=True))
    known = set(Memory.objects.values_list("memory_id", flat=True))
    print(json.dumps([sorted(rows), Clock.objects.get().active_count, sorted(superseded - known)]), flush=True)
"""
)


def output(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def test_what_several_processes_say_at_once_is_remembered_once(tmp_path):
    environment = installation(tmp_path)
    kettle, _ = output(start_script(environment, PREPARE)).split()
    start = str(timezone.now().timestamp() + 4)
    writers = [
        start_script(environment, WRITE, str(number), str(size), kettle, start)
        for number, size in enumerate((40, 7, 1))
    ]
    assert sorted(output(writer).strip() for writer in writers) == ["0", "0", "1"]
    contents, count, dangling = json.loads(output(start_script(environment, LOOK)))
    kettles = [text for text in contents if "kettle" in text]
    ports = [text for text in contents if "port" in text]
    assert sorted(set(contents) - {*kettles, *ports}) == sorted(f"Fact {n} of the house" for n in range(40))
    assert (len(kettles), len(ports), len(contents)) == (1, 1, 42)
    assert (count, dangling) == (42, [])
