from __future__ import annotations

import json

import pytest

from hawser.resources import (
    Absent,
    Catalog,
    Command,
    Directory,
    File,
    Healthy,
    Journal,
    Link,
    Notice,
    Packages,
    Resource,
    Running,
    changed,
)

FILE = File("/etc/shop.conf", "a = 1\n")


def wire(*resources: Resource) -> list[dict[str, object]]:
    """Return rows as the runner gets them: through JSON."""
    rows: list[dict[str, object]] = json.loads(json.dumps(Catalog.of([("nginx.install", resources)]).to_wire()))
    return rows


class TestRows:
    def test_rows_say_kind_step_and_label_and_every_field(self):
        assert wire(Link("/srv/shop/current", "releases/1")) == [
            {
                "kind": "link",
                "step": "nginx.install",
                "label": "link /srv/shop/current",
                "path": "/srv/shop/current",
                "target": "releases/1",
                "parents": False,
            }
        ]

    def test_rows_keep_the_order_of_the_steps(self):
        parts = [("a", [Directory("/1"), Directory("/2")]), ("b", []), ("c", [Directory("/0")])]
        rows = Catalog.of(parts).to_wire()
        assert [(row["step"], row["path"]) for row in rows if isinstance(row, dict)] == [
            ("a", "/1"),
            ("a", "/2"),
            ("c", "/0"),
        ]

    def test_book_keeping_is_told_by_the_kind_or_by_the_step_and_does_not_travel(self):
        parts = [("a", [Notice("mind"), FILE, Journal("x"), Directory("/1")]), ("close", [Absent("/x")])]
        catalog = Catalog.of(parts, ["close"])
        assert catalog.bookkeeping == {1, 2, 3}
        assert not [row for row in catalog.to_wire() if "bookkeeping" in row]

    def test_rows_leave_out_fields_that_are_not_set(self):
        (row,) = wire(Command(("true",)))
        assert "when" not in row

    def test_rows_carry_bytes_in_base64(self):
        (row,) = wire(File("/bin/x", b"\x00\xff"))
        assert row["content"] == {"base64": "AP8="}

    def test_rows_carry_lists_and_tables(self):
        command, healthy = wire(
            Command(("echo", "a b"), env={"A": "1"}), Healthy("/run/web.sock", "shop-web", "systemd")
        )
        assert (command["argv"], command["env"]) == (["echo", "a b"], {"A": "1"})
        assert healthy["statuses"] == [[200, 399]]

    def test_rows_carry_false_and_nothing_as_they_are(self):
        (row,) = wire(Journal(""))
        assert (row["release"], row["entry"]) == ("", {})


class TestTriggers:
    def test_triggers_become_places_in_the_list(self):
        other = File("/etc/other.conf", "")
        reload = Command(("systemctl", "reload", "nginx"), when=changed(other, FILE))
        assert wire(Directory("/etc/shop"), FILE, other, reload)[3]["when"] == [2, 1]

    def test_triggers_may_name_resources_of_another_step(self):
        parts: list[tuple[str, list[Resource]]] = [
            ("a", [FILE]),
            ("b", [Running("shop-web", "systemd", when=changed(FILE))]),
        ]
        row = Catalog.of(parts).to_wire()[1]
        assert isinstance(row, dict) and row["when"] == [0]

    def test_triggers_may_name_nothing_at_all(self):
        assert wire(Command(("true",), when=changed()))[0]["when"] == []

    def test_triggers_that_name_a_later_resource_are_refused(self):
        with pytest.raises(ValueError, match=r"command true: its trigger comes before file /etc/shop\.conf"):
            wire(Command(("true",), when=changed(FILE)), FILE)

    def test_triggers_that_name_a_resource_of_no_catalog_are_refused(self):
        with pytest.raises(ValueError, match=r"file /etc/shop\.conf"):
            wire(Command(("true",), when=changed(FILE)))

    def test_triggers_tell_equal_resources_apart(self):
        first, second = File("/same", "x"), File("/same", "x")
        with pytest.raises(ValueError, match="file /same"):
            wire(first, Command(("true",), when=changed(second)))


class TestLabels:
    @pytest.mark.parametrize(
        ("resource", "label"),
        [
            (FILE, "file /etc/shop.conf"),
            (Packages(("git", "cron")), "packages git cron"),
            (Command(("systemctl", "reload", "nginx")), "command systemctl reload nginx"),
            (Command(("sh", "-c", "make"), title="make"), "command make"),
            (Running("shop-web", "systemd"), "running shop-web"),
        ],
    )
    def test_labels_say_the_kind_and_what_it_is_about(self, resource, label):
        assert resource.label == label
