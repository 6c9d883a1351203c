"""The file ``NAME.env.age`` beside the environment file: encrypted for those who deploy, so that git may hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hawser.children import withheld
from hawser.errors import InputErrors, Problem
from hawser.inventory.documents import label, read_data

from .. import files
from ..age.content import Content, Unreadable, decrypted, encrypted
from ..age.identities import KEY
from ..age.recipients import Recipient, list_text, read_list
from ..lines import changed_lines, read_lines, with_lines
from .found import Found, refuse_others


class AgeFile:
    """A file that age has encrypted, and ``NAME.env.recipients``, which says for whom.

    :param path: of the encrypted file.
    :param environment: what is typed after ``-H``.
    """

    def __init__(self, path: Path, environment: str) -> None:
        self.path = path
        self.list_path = path.with_suffix(".recipients")
        self.environment = environment
        self._found: Found | None = None
        # Whoever is started from now on does not inherit it.
        withheld(KEY)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def one_by_one(self) -> bool:
        return False

    @property
    def label(self) -> str:
        return label(self.path)

    @property
    def shared(self) -> str:
        return "commit it, so that whoever else can read the file has it"

    def exists(self) -> bool:
        return self.path.exists()

    def advice(self, name: str) -> str:
        return f"fab -H {self.environment} secrets.edit, and add {name}=…"

    def ask(self, names: Sequence[str]) -> Found:
        """Return all that it holds; it is decrypted once."""
        if self._found is None:
            try:
                values, problems = read_lines(self.content().text, self.label)
                self._found = Found(values, tuple(problems))
            except InputErrors as errors:
                self._found = Found({}, errors.problems, failed=True)
        return self._found

    def data(self) -> bytes:
        """Return the file as it is; nothing where there is none.

        :raises InputErrors: it cannot be read.
        """
        try:
            if self.path.is_symlink():
                raise OSError("it is a link; what git keeps lies in the folder itself")
            return read_data(self.path)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputErrors([Problem(self.label, "", f"cannot be read: {files.words(error)}")]) from None

    def content(self, data: bytes | None = None) -> Content:
        """Return what it holds; nothing where there is none.

        :param data: the file as it is; None: it is read.
        :raises InputErrors: it cannot be read here.
        """
        data = self.data() if data is None else data
        if not data:
            if not self.path.exists():
                return Content()
            raise InputErrors([Problem(self.label, "", "is empty", "get it from git again")])
        try:
            return decrypted(data)
        except Unreadable as error:
            raise InputErrors([Problem(self.label, "", error.message, error.hint or self._may_i())]) from None

    def readers(self, content: Content) -> tuple[Recipient, ...]:
        """Return for whom it is encrypted from now on: those of the list, which are those of the file itself.

        :raises InputErrors: the list says something else than the file, or there is nobody.
        """
        known = self._known(content)
        if not known:
            hint = f"fab -H {self.environment} secrets.recipients --add ~/.ssh/id_ed25519.pub"
            message = "names nobody who could read the secrets"
            raise InputErrors([Problem(label(self.list_path), "", message, hint)])
        return tuple(known.values())

    def add(self, new: Mapping[str, str]) -> dict[str, str]:
        """Keep those values that it lacks, and return all that it holds then.

        :raises InputErrors: it cannot be decrypted, or written.
        """
        held: dict[str, str] = {}

        def changed(content: Content) -> str:
            text, found = with_lines(content.text, new)
            held.update(found)
            return text

        self.change(changed)
        self._found = Found(held)
        return held

    def turn(self, held: Mapping[str, str | None], new: Mapping[str, str | None]) -> None:
        """Have other values take the place of some, all in one step.

        :raises InputErrors: it cannot be decrypted, or written, or says something else by now.
        """

        def changed(content: Content) -> str:
            refuse_others(read_lines(content.text, self.label)[0], held, self.label)
            return changed_lines(content.text, new)

        self.change(changed)

    def change(
        self,
        text: Callable[[Content], str],
        readers: Callable[[Content], tuple[Recipient, ...]] | None = None,
    ) -> None:
        """Write it anew, while nobody else on this machine does; where nothing changes, it stays as it is.

        :param text: returns the lines that it shall hold; may raise, and nothing is written.
        :param readers: returns for whom; default: for whom it was.
        :raises InputErrors: it cannot be decrypted, or written.
        """
        with files.locked(self.path):
            before = self.content()
            after = Content(text(before), (readers or self.readers)(before))
            if self.exists() and after.text == before.text and keys(after.readers) == keys(before.readers):
                return
            files.replace(self.path, encrypted(after.text, after.readers), files.mode_of(self.path))
            if read_list(self.list_path) != after.readers:
                files.replace(
                    self.list_path, list_text(after.readers, self.environment).encode(), files.mode_of(self.list_path)
                )
        self._found = None

    def with_reader(self, added: Recipient, first: str = "") -> None:
        """Encrypt it for one key more; it is made where it was not there.

        :param first: the lines with which it is made.
        :raises InputErrors: it cannot be decrypted, or written, or the list names others that nobody has let read.
        """

        def readers(content: Content) -> tuple[Recipient, ...]:
            known = self._known(content, added)
            names = {each.key: each.name for each in (*content.readers, *read_list(self.list_path))}
            named = added if added.name else Recipient(added.key, names.get(added.key, ""))
            return tuple({**known, added.key: named}.values())

        self.change(lambda content: content.text if self.exists() else first, readers)

    def without_reader(self, gone: Recipient) -> None:
        """Encrypt it for one key less.

        :raises InputErrors: it cannot be decrypted, or written, or nobody would be left, or not this machine.
        """

        def readers(content: Content) -> tuple[Recipient, ...]:
            left = tuple(each for each in self._known(content, gone).values() if each.key != gone.key)
            try:
                decrypted(encrypted("", left) if left else b"")
            except Unreadable:
                message = f"without {gone} you could not read it any more yourself"
                hint = "let one of those who stay remove it"
                raise InputErrors([Problem(self.label, "", message, hint)]) from None
            return left

        self.change(lambda content: content.text, readers)

    def _known(self, content: Content, about: Recipient | None = None) -> dict[str, Recipient]:
        """Return by key who can read it, with the names of the list.

        :param about: whom the list may name or not, as it will.
        :raises InputErrors: the list says something else than the file, which alone is nobody else's work.
        """
        listed = {each.key: each for each in read_list(self.list_path)}
        if not content.readers:
            return listed
        known = {each.key: listed.get(each.key, each) for each in content.readers}
        typed = f"fab -H {self.environment} secrets.recipients"
        problems = []
        for each in {**known, **listed}.values():
            if about is not None and each.key == about.key:
                continue
            if listed and each.key not in listed:
                message, hint = (
                    f"{each} can read the secrets, and is not in the list any more",
                    "--remove '{}', or --add",
                )
            elif each.key not in known:
                message = f"{each} is in the list, and nobody who can read the secrets has let them"
                hint = "--add '{}', or remove the line"
            else:
                continue
            problems.append(Problem(label(self.list_path), "", message, f"{typed} {hint.format(each.key)}"))
        if problems:
            raise InputErrors(problems)
        return known

    def _may_i(self) -> str:
        """Return how somebody else lets this machine read it."""
        who = [str(each) for each in _quietly(self.list_path)]
        known = f" ({', '.join(who[:5])})" if who else ""
        typed = f"fab -H {self.environment} secrets.recipients --add 'YOUR PUBLIC KEY'"
        return f"somebody who can read it{known}: {typed}"


def keys(readers: Sequence[Recipient]) -> set[str]:
    """Return the keys themselves, without the names that somebody has given them."""
    return {each.key for each in readers}


def _quietly(path: Path) -> tuple[Recipient, ...]:
    try:
        return read_list(path)
    except InputErrors:
        return ()
