"""The example of docs/recordings.md runs on a real file."""

import re


def test_the_example_of_the_page(repo_root, shared_data, monkeypatch):
    monkeypatch.chdir(shared_data / "eyelink_asc")
    page = (repo_root / "docs" / "recordings.md").read_text()
    made: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.S).group(1), made)
    assert made["events"]["kind"].value_counts().to_dict() == {"fixation": 10, "saccade": 6}
    assert made["blinks"].empty
    assert made["good"]["accuracy_mean_dva"] == 0.38
