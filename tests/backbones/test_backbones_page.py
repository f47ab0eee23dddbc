"""docs/backbones.md: its code prints what it says, its table names every backbone and only layers that exist."""

import re

import pytest
import torch

from gazekit.backbones import INFO, NAMES, build_net


@pytest.fixture(scope="module")
def page(repo_root):
    return (repo_root / "docs" / "backbones.md").read_text()


def test_the_examples_print_what_they_say(page, capsys):
    space = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(block, space)
    expected = re.findall(r"^ *print\(.*\) +# (.*)$", page, re.M)
    assert capsys.readouterr().out.splitlines() == expected and len(expected) == 4
    pooled = space["Pooled"](space["backbone"])({"image": space["images"]})
    assert pooled["mean"].shape == (2, 256)


def test_the_table_names_every_backbone_and_its_licence(page):
    table = [line for line in page.splitlines() if line.startswith("| `")]
    named = " ".join(line.split("|")[1] for line in table)
    for name in NAMES:
        assert f"`{name}`" in named or (name.endswith("_registers") and "_registers" in named), name
    for line in table:
        name = re.search(r"`(\w+)`", line)[1]
        card = INFO[name]
        assert ("fetch" in line.split("|")[5]) == bool(card.downloads), name
        assert card.licence.split()[0].rstrip(",") in line.split("|")[4], name
        if "clip" not in name and not line.split("|")[2].startswith(" as "):
            with torch.device("meta"):
                layers = build_net(name).layers
            for layer in re.findall(r"`([a-z]\w+)`", line.split("|")[2]):
                assert layer in layers, (name, layer)
