"""A file that age has encrypted: read with the keys of this machine, written for those who may read it."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pyrage
import pytest

from hawser.errors import InputErrors
from hawser.secrets import load_secrets, sources_of
from hawser.secrets.age import identities
from hawser.secrets.age.content import decrypted, encrypted
from hawser.secrets.age.recipients import list_text, read_list, recipient
from hawser.secrets.sources.age import AgeFile

from ..conftest import PASSPHRASE

TEXT = "STRIPE_KEY='sk live # 1'\nSECRET_KEY=abcdefgh\n"


@pytest.fixture
def filled(source, keys, be):
    """A file for ada and CI, read by ada."""
    be("ada")
    source.with_reader(recipient(keys["ada"].public), TEXT)
    source.with_reader(recipient(f"{keys['ci'].public} CI"))
    return source


def wrong(source: AgeFile) -> str:
    """Return what is wrong with a file for whoever reads it anew."""
    return "\n".join(map(str, AgeFile(source.path, "shop").ask([]).problems))


def needs_age() -> str:
    program = shutil.which("age")
    if program is None:
        pytest.skip("needs Debian's age")
    return program


class TestReading:
    @pytest.mark.parametrize("name", ["ada", "bob", "ci"])
    def test_whoever_has_one_of_the_keys_reads_the_file(self, source, keys, be, name):
        be(name)
        source.with_reader(recipient(keys[name].public), TEXT)
        assert AgeFile(source.path, "shop").ask([]).values == {"STRIPE_KEY": "sk live # 1", "SECRET_KEY": "abcdefgh"}

    def test_the_key_in_ssh_is_taken_without_a_setting(self, filled, keys, monkeypatch):
        monkeypatch.delenv("HAWSER_AGE_IDENTITY")
        assert "there is no private key here: $HAWSER_AGE_KEY, $HAWSER_AGE_IDENTITY, or ~/.ssh/id_ed25519" in wrong(
            filled
        )
        own = Path("~/.ssh/id_ed25519").expanduser()
        own.write_text(keys["ada"].private)
        own.chmod(0o600)
        assert not wrong(filled)

    def test_the_keys_of_sops_are_taken_without_a_setting(self, filled, keys, monkeypatch):
        monkeypatch.delenv("HAWSER_AGE_IDENTITY")
        own = Path("~/.config/sops/age/keys.txt").expanduser()
        own.parent.mkdir(parents=True)
        own.write_text(keys["ci"].private)
        own.chmod(0o600)
        assert not wrong(filled)

    @pytest.mark.parametrize("name", ["ada", "ci"])
    def test_a_key_in_a_variable_reads_the_file_and_no_child_inherits_it(self, filled, keys, monkeypatch, name):
        monkeypatch.delenv("HAWSER_AGE_IDENTITY")
        monkeypatch.setenv("HAWSER_AGE_KEY", keys[name].private)
        assert not wrong(filled) and not wrong(filled)
        assert "HAWSER_AGE_KEY" not in subprocess.run(["env"], capture_output=True, text=True).stdout

    def test_whoever_has_none_of_the_keys_is_told_who_can_let_them(self, filled, be):
        be("eve")
        assert "eve is none of the keys that it is encrypted for (somebody who can read it (ada" in wrong(filled)
        assert "CI (age1" in wrong(filled) and "secrets.recipients --add 'YOUR PUBLIC KEY'" in wrong(filled)

    def test_the_secrets_of_the_environment_come_from_the_file(self, filled, environment, folder):
        secrets = load_secrets(environment, sources_of(environment, folder))
        assert secrets.values == {"STRIPE_KEY": "sk live # 1", "SECRET_KEY": "abcdefgh"}
        assert secrets.label_of("STRIPE_KEY") == "hosts/shop.env.age"

    def test_a_secret_that_is_missing_names_the_file_and_how_it_gets_there(self, environment, folder):
        with pytest.raises(InputErrors) as caught:
            load_secrets(environment, sources_of(environment, folder))
        assert [str(each) for each in caught.value.problems] == [
            "hosts/shop.env.age: STRIPE_KEY: is missing (fab -H shop secrets.edit, and add STRIPE_KEY=…)"
        ]

    def test_a_file_that_cannot_be_read_does_not_count_as_one_without_secrets(self, filled, environment, folder, be):
        be("eve")
        with pytest.raises(InputErrors) as caught:
            load_secrets(environment, sources_of(environment, folder))
        assert len(caught.value.problems) == 1 and "is missing" not in str(caught.value)


class TestKeysThatCannotBeUsed:
    def test_a_private_key_that_others_may_read_is_refused(self, filled, keys, tmp_path, monkeypatch):
        open_to_all = tmp_path / "open"
        open_to_all.write_text(keys["ada"].private)
        open_to_all.chmod(0o644)
        monkeypatch.setenv("HAWSER_AGE_IDENTITY", str(open_to_all))
        assert f"{open_to_all} can be read by others than its owner (chmod 600 open)" in wrong(filled)

    def test_a_file_of_a_private_key_that_is_not_there_is_named(self, filled, monkeypatch):
        monkeypatch.setenv("HAWSER_AGE_IDENTITY", "/nowhere/key")
        assert "/nowhere/key ($HAWSER_AGE_IDENTITY) does not exist" in wrong(filled)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "holds no private key"),
            ("nonsense", "holds no key of age"),
            ("AGE-SECRET-KEY-1NONSENSE", "holds a key of age that is damaged"),
            ("AGE-PLUGIN-YUBIKEY-1QQQ", "is for a plugin of age"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                "is no SSH key that age",
            ),
        ],
    )
    def test_what_is_no_private_key_is_said_without_showing_it(self, filled, tmp_path, monkeypatch, text, message):
        path = tmp_path / "key"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("HAWSER_AGE_IDENTITY", str(path))
        assert message in wrong(filled)
        assert not text or text not in wrong(filled)

    def test_a_key_with_a_passphrase_is_refused_where_nobody_can_be_asked(self, filled, keys, be):
        filled.with_reader(recipient(keys["locked"].public))
        be("locked")
        said = wrong(filled)
        assert "locked has a passphrase, and there is no terminal to ask for it (at a terminal it is asked for" in said

    def test_a_key_with_a_passphrase_is_not_asked_for_where_it_would_not_open_the_file(self, filled, be):
        be("locked")
        assert "locked is none of the keys that it is encrypted for" in wrong(filled)

    def test_a_key_opens_with_its_passphrase_which_is_asked_for_once(self, filled, keys, be, monkeypatch):
        filled.with_reader(recipient(keys["locked"].public))
        be("locked")
        asked = []

        def ask(prompt: str) -> str:
            asked.append(prompt)
            return PASSPHRASE

        monkeypatch.setattr("sys.stdin", io.StringIO())
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", ask)
        assert not wrong(filled) and not wrong(filled)
        assert asked == [f"passphrase of {keys['locked'].path}: "]

    def test_another_passphrase_than_the_keys_is_said(self, filled, keys, be, monkeypatch):
        filled.with_reader(recipient(keys["locked"].public))
        be("locked")
        found = identities.unlocked(identities.identities()[0], lambda prompt: "another one")
        assert found.key is None and found.wrong == "does not open with this passphrase"


class TestFilesThatCannotBeRead:
    def test_a_file_that_is_cut_short_is_named(self, filled):
        data = filled.path.read_bytes()
        for length in range(1, len(data) - 40, 60):
            filled.path.write_bytes(data[:length])
            assert "shop.env.age: is " in wrong(filled) and "get it from git again" in wrong(filled)
        filled.path.write_bytes(b"")
        assert "shop.env.age: is empty" in wrong(filled)

    def test_a_file_in_which_any_byte_is_another_one_is_refused(self, filled):
        data = filled.path.read_bytes()
        for place in range(0, len(data), 7):
            changed = bytearray(data)
            changed[place] ^= 1
            filled.path.write_bytes(changed)
            found = AgeFile(filled.path, "shop").ask([])
            # What stands between lines of the frame may change nothing.
            assert found.failed or found.values["SECRET_KEY"] == "abcdefgh"

    def test_a_file_that_git_could_not_merge_says_so(self, filled):
        data = filled.path.read_text()
        filled.path.write_text(f"<<<<<<< HEAD\n{data}=======\n{data}>>>>>>> theirs\n")
        assert "has two versions in it, which git could not merge" in wrong(filled)

    def test_a_file_with_a_passphrase_is_refused(self, filled):
        filled.path.write_bytes(pyrage.passphrase.encrypt(b"A=alpha\n", "sesame"))
        assert "is encrypted with a passphrase, not for keys" in wrong(filled)

    def test_a_link_in_the_place_of_the_file_is_neither_read_nor_written(self, filled, tmp_path):
        other = tmp_path / "other"
        filled.path.rename(other)
        before = other.read_bytes()
        filled.path.symlink_to(other)
        assert "cannot be read: it is a link" in wrong(filled)
        with pytest.raises(InputErrors, match="it is a link"):
            filled.add({"NEW": "value"})
        assert other.read_bytes() == before

    def test_a_pipe_and_a_file_without_measure_are_refused(self, filled):
        filled.path.unlink()
        filled.path.write_bytes(b"x" * (1 << 20) + b"x")
        assert "longer than" in wrong(filled)

    def test_bytes_that_are_no_text_are_refused(self, filled, keys):
        readers = [pyrage.ssh.Recipient.from_str(keys["ada"].public)]
        filled.path.write_bytes(pyrage.encrypt(b"A=\xff\xfe", readers))
        assert "holds no text: it is not UTF-8 (byte 2)" in wrong(filled)

    def test_lines_that_cannot_be_read_are_named_without_a_value(self, filled, keys):
        filled.path.write_bytes(encrypted("A=alpha\nA=hunter22\n'B", [recipient(keys["ada"].public)]))
        assert "hosts/shop.env.age:2: A: stands here twice" in wrong(filled)
        assert "hunter22" not in wrong(filled) and "hunter22" not in repr(AgeFile(filled.path, "shop").ask([]))


class TestWriting:
    def test_made_secrets_are_kept_encrypted_and_what_is_there_stays(self, filled, environment, folder):
        secrets = load_secrets(environment, sources_of(environment, folder))
        made = Path("hosts/shop.env.age").read_bytes()
        kept = secrets.with_signing_key()
        assert kept.signer is not None and kept.kept_in == "shop.env.age"
        data = filled.path.read_bytes()
        assert data != made and kept.signer.key.encode() not in data and b"abcdefgh" not in data
        again = load_secrets(environment, sources_of(environment, folder))
        assert again.signer.key == kept.signer.key and again.values == secrets.values
        assert sorted(path.name for path in folder.iterdir()) == ["shop.env.age", "shop.env.recipients"]

    def test_many_who_make_a_secret_at_once_keep_one_value(self, filled):
        held: list[str] = []

        def make(number: int) -> None:
            held.append(AgeFile(filled.path, "shop").add({"NEW": f"value-{number}"})["NEW"])

        threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(held) == 8 and len(set(held)) == 1

    def test_the_file_is_one_that_git_may_hold(self, filled):
        mode = stat.S_IMODE(filled.path.stat().st_mode)
        assert mode == 0o644 and stat.S_IMODE(filled.list_path.stat().st_mode) == 0o644
        assert filled.path.read_bytes().isascii()

    def test_nothing_is_kept_where_nobody_could_read_it(self, source):
        with pytest.raises(InputErrors, match=r"names nobody who could read .* --add ~/\.ssh/id_ed25519\.pub"):
            source.add({"A": "alpha"})
        assert not source.path.exists()

    def test_a_file_that_others_than_this_machine_can_read_is_not_written_over(self, filled, be):
        before = filled.path.read_bytes()
        be("eve")
        with pytest.raises(InputErrors, match="cannot be read"):
            filled.add({"A": "alpha"})
        assert filled.path.read_bytes() == before


class TestWhoCanRead:
    def test_somebody_who_was_added_reads_the_file(self, filled, keys, be):
        filled.with_reader(recipient(keys["bob"].public))
        assert [each.name for each in read_list(filled.list_path)] == ["ada", "CI", "bob"]
        be("bob")
        assert not wrong(filled)

    def test_somebody_who_was_removed_does_not_read_it_any_more(self, filled, keys, be):
        filled.with_reader(recipient(keys["bob"].public))
        filled.without_reader(recipient(keys["bob"].public))
        assert keys["bob"].public.split()[1] not in filled.list_path.read_text()
        be("bob")
        assert "none of the keys" in wrong(filled)

    def test_nobody_can_lock_themselves_out(self, filled, keys):
        before = filled.path.read_bytes()
        with pytest.raises(InputErrors, match="you could not read it any more yourself"):
            filled.without_reader(recipient(keys["ada"].public))
        assert filled.path.read_bytes() == before

    def test_a_key_that_somebody_has_written_into_the_list_gets_nothing(self, filled, keys, be):
        """Whoever may push to the repository may change the list, and waits for the next one who writes the file."""
        with filled.list_path.open("a") as stream:
            stream.write(keys["eve"].public + "\n")
        before = filled.path.read_bytes()
        with pytest.raises(
            InputErrors, match=r"eve .* is in the list, and nobody who can read the secrets has let them"
        ):
            filled.add({"A": "alpha"})
        with pytest.raises(InputErrors, match="nobody who can read the secrets has let them"):
            filled.with_reader(recipient(keys["bob"].public))
        assert filled.path.read_bytes() == before
        be("eve")
        assert "none of the keys" in wrong(filled)
        be("ada")
        filled.with_reader(recipient(keys["eve"].public))
        be("eve")
        assert not wrong(filled)

    def test_a_key_that_somebody_has_taken_out_of_the_list_stops_what_writes(self, filled, keys):
        filled.list_path.write_text(list_text([recipient(keys["ada"].public)], "shop"))
        with pytest.raises(InputErrors, match=r"CI .* can read the secrets, and is not in the list any more"):
            filled.add({"A": "alpha"})
        filled.without_reader(recipient(keys["ci"].public))
        assert filled.add({"A": "alpha"})["A"] == "alpha"

    def test_a_list_that_is_lost_is_written_anew(self, filled, keys):
        filled.list_path.unlink()
        filled.add({"A": "alpha"})
        assert {each.key for each in read_list(filled.list_path)} == {
            recipient(keys[name].public).key for name in ("ada", "ci")
        }

    @pytest.mark.parametrize("line", ["nonsense", "ecdsa-sha2-nistp256 AAAA", "age1xyz", "ssh-ed25519 AAAA", "ssh-rsa"])
    def test_a_line_of_the_list_that_is_no_key_is_named(self, filled, line):
        with filled.list_path.open("a") as stream:
            stream.write(line + "\n")
        with pytest.raises(InputErrors, match=r"shop\.env\.recipients:\d+: is no key that age encrypts for"):
            filled.add({"A": "alpha"})

    def test_a_link_in_the_place_of_the_list_is_refused(self, filled, tmp_path):
        filled.list_path.rename(tmp_path / "list")
        filled.list_path.symlink_to(tmp_path / "list")
        with pytest.raises(InputErrors, match="is a link"):
            filled.add({"A": "alpha"})


class TestBesideTheRealAge:
    @pytest.mark.parametrize("name", ["ada", "ci"])
    def test_age_reads_what_was_written(self, filled, keys, name):
        argv = [needs_age(), "--decrypt", "--identity", str(keys[name].path), str(filled.path)]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert said.endswith(TEXT)

    @pytest.mark.parametrize("armor", [[], ["--armor"]])
    def test_what_age_has_encrypted_for_the_list_is_read(self, filled, armor):
        argv = [needs_age(), "--recipients-file", str(filled.list_path), *armor, "--output", str(filled.path)]
        subprocess.run(argv, input=b"A=from-age\n", check=True)
        assert AgeFile(filled.path, "shop").ask([]).values == {"A": "from-age"}
        filled.add({"B": "beta"})
        assert AgeFile(filled.path, "shop").ask([]).values == {"A": "from-age", "B": "beta"}
        assert len(decrypted(filled.path.read_bytes()).readers) == 2
