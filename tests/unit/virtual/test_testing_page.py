"""The example of docs/testing.md runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path

from virtual.vendor import Account, Behaviour
from virtual.world import World

PAGE = (Path(__file__).parents[3] / "docs/testing.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert "world.problems(run.run_id) == []" in example
    exec(compile(example, "docs/testing.md", "exec"), {})


def test_every_behaviour_is_explained() -> None:
    table = PAGE.partition("| `Behaviour` |")[2]
    assert set(re.findall(r"`([A-Z_]{4,})`", table)) == {each.name for each in Behaviour}


def test_what_the_page_names_of_world_and_account_is_there() -> None:
    with World() as world:
        for name in re.findall(r"world\.(\w+)", PAGE):
            assert hasattr(world, name) or name == "py", name
    for name in re.findall(r"account\.(\w+)", PAGE):
        assert name in {*dir(Account), *Account.__dataclass_fields__}, name
