"""The secrets of an environment, with all that may be done with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property

from hawser.errors import InputErrors, Problem
from hawser.inventory.tables.app import FORMER, NEXT, SIGNING_KEY
from hawser.signatures import Signer, make_key

from .forms import forms
from .making import FORMATS, KEY_RECIPE, RECIPES
from .sources import Source, Sources


class Values(dict[str, str]):
    """Secrets by name, as templates use them; its own text shows names only.

    A former value of one is empty where none is kept.
    """

    def __missing__(self, name: str) -> str:
        if name.endswith(FORMER) and name.removesuffix(FORMER) in self:
            return ""
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"<{', '.join(self) or 'no secrets'}>"

    __str__ = __repr__


class Secrets:
    """The secrets that an environment file lists.

    :param environment: the name of the environment.
    :param sources: where they come from, and where those that Hawser makes are kept.
    :param values: what is known, of those that are listed.
    :param generated: the names of those that Hawser makes.
    :param formats: what these look like, where it is not ``token``.
    :param signing_key: the key under what hosts keep; no value of a template, never on a host. Empty: there is none.
    :param holders: by name, the source that has it.
    :param unlisted: the names of what the sources hold besides.
    """

    def __init__(
        self,
        environment: str,
        sources: Sources,
        values: Mapping[str, str],
        generated: Sequence[str] = (),
        formats: Mapping[str, str] | None = None,
        signing_key: str = "",
        holders: Mapping[str, Source] | None = None,
        unlisted: Sequence[str] = (),
    ) -> None:
        self.environment = environment
        self.sources = sources
        self.values = Values(values)
        self._generated = tuple(generated)
        self._formats = dict(formats or {})
        self._signing_key = signing_key
        self._holders = dict(holders or {})
        self.unlisted = tuple(unlisted)
        # What stands beside them while another value takes the place of one: shown as little as they are.
        self.aside: Mapping[str, str] = {}
        # Further values that nobody shall see.
        self.hidden: tuple[str, ...] = ()
        self._fingerprints: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secrets({self.environment}: {self.values})"

    @property
    def generated(self) -> tuple[str, ...]:
        """The names of the secrets that Hawser makes."""
        return self._generated

    @property
    def half_turned(self) -> tuple[str, ...]:
        """The names of the secrets beside which the value stands that is to take their place."""
        return tuple(name.removesuffix(NEXT) for name in self.aside if name.endswith(NEXT))

    @cached_property
    def signer(self) -> Signer | None:
        """The signer of this environment; None while there is no key."""
        return Signer(self.environment, self._signing_key) if self._signing_key else None

    @property
    def missing_generated(self) -> tuple[str, ...]:
        """The names of the secrets that were not made yet, or that this operator lacks."""
        return tuple(name for name in self._generated if name not in self.values)

    def label_of(self, name: str) -> str:
        """Return the label of the source that has a secret; those of all of them where none has it."""
        return self._holders[name].label if name in self._holders else self.sources.label

    def name_of(self, name: str) -> str:
        """Return the name of the source that has a secret; those of all of them where none has it."""
        return self._holders[name].name if name in self._holders else self.sources.name

    @property
    def kept_in(self) -> str:
        """The name of the source in which Hawser keeps what it makes; of all of them where it can write none."""
        return self.sources.store.name if self.sources.store is not None else self.sources.name

    @property
    def shared(self) -> str:
        """How others get what Hawser keeps there, as the end of a sentence; empty where it goes by itself to nobody."""
        return self.sources.store.shared if self.sources.store is not None else ""

    def require_generated(self) -> None:
        """Refuse to go on without a generated secret: a new value would lock out programs that run with the old one.

        :raises InputErrors: naming all that are missing.
        """
        self.require_store(self.missing_generated)
        hint = f"fab -H {self.environment} secrets.pull; if no host was set up yet: bootstrap"
        missing = [
            Problem(self.sources.label, name, "is generated, and missing here", hint) for name in self.missing_generated
        ]
        if missing:
            raise InputErrors(missing)

    def require_store(self, names: Sequence[str], hosts_have: bool = False) -> None:
        """Refuse what would end with secrets to be kept, where Hawser can write none of the sources.

        :param names: those that are to be kept.
        :param hosts_have: hosts were set up with them, so that no new value will do.
        :raises InputErrors: says how a person puts each of them where it belongs.
        """
        if self.sources.store is not None or not names:
            return
        there = "root of a host reads it in /var/lib/hawser/*/secrets.json"
        problems = []
        for name in names:
            key = name == SIGNING_KEY
            new = f"make one with: {KEY_RECIPE if key else RECIPES[self._formats.get(name, 'token')]}"
            how = new if key else there if hosts_have else f"{new}; but where hosts were set up with one, {there}"
            message = "is missing, and Hawser cannot write it there"
            problems.append(Problem(self.sources.label, name, message, f"{self.sources.advice(name)}; {how}"))
        raise InputErrors(problems)

    def generate(self, names: Sequence[str]) -> Secrets:
        """Make secrets, keep them, and return all of them; values that were kept by now stay.

        :raises ValueError: for a name that is none of the generated ones.
        :raises InputErrors: when they cannot be kept.
        """
        return self.keep({name: self.make(name) for name in names})

    def make(self, name: str) -> str:
        """Return a new value for a generated secret, in its format."""
        return FORMATS[self._formats.get(name, "token")]()

    def with_values(self, more: Mapping[str, str]) -> Secrets:
        """Return these secrets and some more, which nobody keeps."""
        return self._with({**self.values, **more}, self._signing_key)

    def beside(self, aside: Mapping[str, str]) -> Secrets:
        """Return these secrets, and what stands beside them while another value takes the place of one.

        A former value that is still to be good is one of them.
        """
        former = {name: value for name, value in aside.items() if name.endswith(FORMER)}
        made = self._with({**self.values, **former}, self._signing_key)
        made.aside = {**self.aside, **aside}
        return made

    def turned(self, new: Mapping[str, str | None]) -> Secrets:
        """Return these secrets with other values in their places, which nobody keeps; None: without it.

        What they were stays hidden.
        """
        kept = {name: value for name, value in self.values.items() if name not in new}
        made = self._with(
            {**kept, **{name: value for name, value in new.items() if value is not None}}, self._signing_key
        )
        made.hidden = (*self.hidden, *self.values.values(), *self.aside.values())
        return made

    def has_its_own(self, name: str) -> bool:
        """Tell whether Hawser can write the source that has a secret."""
        return self._holders.get(name) is self.sources.store and self.sources.store is not None

    def with_signing_key(self) -> Secrets:
        """Make a signing key, keep it, and return all of them; a key that was kept by now stays.

        :raises InputErrors: when it cannot be kept.
        """
        return self._with(self.values, self._add({SIGNING_KEY: make_key()})[SIGNING_KEY])

    def keep(self, new: Mapping[str, str]) -> Secrets:
        """Keep generated secrets, and return all of them; values that were kept by now stay.

        :raises ValueError: for a name that is none of the generated ones.
        :raises InputErrors: when they cannot be kept.
        """
        names = tuple(new)
        if strange := set(names) - set(self._generated):
            raise ValueError(f"not listed in env.generated: {', '.join(sorted(strange))}")
        held = self._add(new)
        return self.with_values({name: held[name] for name in names})

    def _with(self, values: Mapping[str, str], key: str) -> Secrets:
        rest = (self._generated, self._formats, key, self._holders, self.unlisted)
        made = Secrets(self.environment, self.sources, values, *rest)
        made.aside, made.hidden = self.aside, self.hidden
        return made

    def _add(self, new: Mapping[str, str]) -> dict[str, str]:
        self.require_store(tuple(new))
        assert self.sources.store is not None
        return self.sources.store.add(new)

    def mask_values(self) -> tuple[str, ...]:
        """Return every form in which a secret could show up in output, the longest first."""
        return self._mask_values

    @cached_property
    def _mask_values(self) -> tuple[str, ...]:
        hidden = [*self.values.values(), *self.aside.values(), *self.hidden]
        hidden += [self._signing_key] if self._signing_key else []
        found = {form for value in hidden for form in forms(value)}
        return tuple(sorted(found, key=lambda form: (-len(form), form)))

    def fingerprint(self, salt: str) -> str:
        """Return a hash over all secrets that takes too long to guess them from it (scrypt, about 50 ms, once a salt).

        :returns: 64 hexadecimal digits.
        """
        if salt not in self._fingerprints:
            text = json.dumps(sorted(self.values.items()))
            key = hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**14, r=8, p=1, maxmem=2**26, dklen=32)
            self._fingerprints[salt] = key.hex()
        return self._fingerprints[salt]
