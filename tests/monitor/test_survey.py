"""What is published of the messages of which no alert could be made."""

import os

from monitor.daemon.survey import RejectedFolder
from monitor.heartbeat import RejectedStatus

NOW_US = 1_795_440_125_000_000


def reject(folder, name, age_s):
    (folder / name).write_text("x")
    reason = folder / f"{name}.reason.txt"
    reason.write_text("not JSON")
    at = NOW_US // 1_000_000 - age_s
    os.utime(reason, (at, at))


def test_rejected_messages_are_counted_and_the_newest_is_named_with_its_age(tmp_path):
    folder = RejectedFolder(tmp_path)
    assert folder.look(NOW_US) == RejectedStatus(0, "", None)
    reject(tmp_path, "old.json", 300)
    reject(tmp_path, "new.json", 90)
    assert RejectedFolder(tmp_path).look(NOW_US) == RejectedStatus(2, "new.json", 90.0)


def test_a_folder_that_is_gone_is_nothing_rejected_and_no_fault(tmp_path):
    assert RejectedFolder(tmp_path / "gone").look(NOW_US) == RejectedStatus()
