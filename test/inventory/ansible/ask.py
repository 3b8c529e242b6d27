"""Asks Ansible itself: what is in each inventory, and whom each pattern names.

Standard input: {NAME: {"folder": …, "sources": […], "playbook": … or null, "patterns": […]}}.
Standard output: {NAME: {"list": what ansible-inventory --list prints or null, "patterns": {PATTERN: {"hosts": […], "warned": bool}}}}.
Each inventory is read by a process of its own, forked after Ansible was imported.
"""
import io
import json
import os
import sys

from ansible.cli.inventory import InventoryCLI
from ansible.utils.display import Display

warnings = []
Display.warning = lambda self, msg, formatted=False: warnings.append(msg)


def ask(case):
    os.chdir(case["folder"])
    arguments = ["ansible-inventory", "--list"]
    for source in case["sources"]:
        arguments += ["-i", source]
    if case["playbook"]:
        arguments += ["--playbook-dir", case["playbook"]]
    cli = InventoryCLI(arguments)
    printed = io.StringIO()
    Display.display = lambda self, msg, *args, **kwargs: printed.write(msg + "\n")
    try:
        cli.parse()
        cli.run()
    except SystemExit:
        pass
    failed = any("Failed to parse" in str(w) or "Unable to parse" in str(w) for w in warnings)
    return {
        "list": None if failed else json.loads(printed.getvalue(), object_hook=plain),
        "patterns": {pattern: hosts(cli.inventory, pattern) for pattern in case["patterns"]},
    }


def plain(value):
    """A text that is no template whatever is in it is shown as a text."""
    return value.get("__ansible_unsafe", value)


def hosts(inventory, pattern):
    warnings.clear()
    # A word that named nobody is warned of once.
    inventory.clear_caches()
    try:
        found = [host.name for host in inventory.get_hosts(pattern)]
    except Exception:
        return {"hosts": [], "warned": True}
    return {"hosts": found, "warned": any("Could not match" in str(w) for w in warnings)}


def forked(case):
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        try:
            answer = json.dumps(ask(case))
        except BaseException as error:
            answer = json.dumps({"list": None, "patterns": {}, "error": repr(error)})
        with os.fdopen(writable, "w") as out:
            out.write(answer)
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


json.dump({name: forked(case) for name, case in json.load(sys.stdin).items()}, sys.stdout)
