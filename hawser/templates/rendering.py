"""Templates: of the files we put on a host, and of the values in an environment file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import jinja2

from ..errors import InputErrors, Problem
from ..formats.filters import FILTERS
from .bounded import MISTAKES, Environment, mistake
from .budget import budget
from .compiled import COMPILED

BUILT_IN = (Path(__file__).parents[1] / "conf_templates").resolve()
SHIPPED = jinja2.FileSystemLoader(BUILT_IN)


class TemplateError(InputErrors):
    """A template or a value that cannot be rendered; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__([problem])
        self.problem = problem


def folders(hosts_folder: Path, environment: str) -> tuple[Path, ...]:
    """Return where templates are looked up, first match first: the team's own before ours, the environment's first."""
    own = hosts_folder / "conf_templates"
    beside = hosts_folder.parent / "conf_templates"
    roots = list(dict.fromkeys([own, beside, BUILT_IN]))
    return tuple(path for root in roots for path in (root / environment, root))


class Templates:
    """Renders templates and remembers the text of each one used, so that a release can keep its inputs.

    :param paths: folders, first match first.
    :param kept: the texts that a release kept, which come before any folder.
    """

    def __init__(self, paths: Sequence[Path] = (), kept: Mapping[str, str] | None = None) -> None:
        self._kept = dict(kept or {})
        self.used: dict[str, str] = dict(self._kept)
        # A release of an older version may lack a template that is new since: then ours counts.
        loader = jinja2.ChoiceLoader([jinja2.DictLoader(self._kept), jinja2.FileSystemLoader([*paths, BUILT_IN])])
        self.jinja = Environment(
            loader=jinja2.FunctionLoader(self._load),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            bytecode_cache=COMPILED,
        )
        self.jinja.adopt(FILTERS)
        self._inner = jinja2.Environment(loader=loader, autoescape=False)
        self._values: dict[str, jinja2.Template] = {}
        # Each process of each host asks.
        self._ours: dict[str, bool] = {}

    def _load(self, name: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        assert self._inner.loader is not None
        if self._kept and name not in self._kept and "/" in name:
            # In the folders beside ours are the templates of environments.
            raise jinja2.TemplateNotFound(name)
        source, filename, up_to_date = self._inner.loader.get_source(self._inner, name)
        self.used[name] = source
        self.jinja.lengths[name] = len(source)
        return source, filename, up_to_date

    @property
    def own(self) -> dict[str, str]:
        """The texts used that are not this Hawser's: the team's, and those of a release of another Hawser."""
        return {name: text for name, text in self.used.items() if text != self._built_in(name)}

    def is_ours(self, name: str) -> bool:
        """Whether a template is the one that this Hawser brings, and not a team's or another Hawser's."""
        if name not in self._ours:
            assert self._inner.loader is not None
            self._ours[name] = self._inner.loader.get_source(self._inner, name)[0] == self._built_in(name)
        return self._ours[name]

    def _built_in(self, name: str) -> str | None:
        try:
            return SHIPPED.get_source(self._inner, name)[0]
        except (jinja2.TemplateNotFound, OSError, ValueError):
            return None

    def file(self, name: str, context: Mapping[str, object]) -> str:
        """Render a template file.

        :raises TemplateError: it does not exist, is malformed, or uses a variable that is not there.
        """
        try:
            with budget:
                return self.jinja.get_template(name).render(context)
        except jinja2.TemplateNotFound as error:
            raise TemplateError(Problem(f"conf_templates/{error.name}", "", "there is no such template")) from None
        except jinja2.TemplateSyntaxError as error:
            where = f"conf_templates/{error.name or name}"
            raise TemplateError(Problem(where, f"line {error.lineno}", str(error.message))) from None
        except MISTAKES as error:
            raise TemplateError(Problem(f"conf_templates/{name}", "", mistake(error))) from None

    def value(self, text: str, context: Mapping[str, object], file: str, key: str) -> str:
        """Render a value of an environment file.

        :param file: the environment file, and
        :param key: the key the value stands under, for the message.
        :raises TemplateError: it is malformed or uses a variable that is not there.
        """
        if "{" not in text:
            return text
        with bounded(file, key):
            template = self._values.get(text)
            if template is None:
                template = self._values[text] = self.jinja.from_string(text)
            return template.render(context)

    def expression(self, text: str, context: Mapping[str, object], file: str, key: str) -> object:
        """Work out an expression of an environment file; see `value`."""
        with bounded(file, key):
            answer = self.jinja.compile_expression(text, undefined_to_none=False)(context)
            if isinstance(answer, jinja2.Undefined):
                # It raises what is missing.
                str(answer)
            return answer


@contextmanager
def bounded(file: str, key: str) -> Iterator[None]:
    """Bound the renderings inside; the error of one names its place in the file.

    :raises TemplateError: it cannot.
    """
    try:
        with budget:
            yield
    except MISTAKES as error:
        raise TemplateError(Problem(file, key, mistake(error))) from None
