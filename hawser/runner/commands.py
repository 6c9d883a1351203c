"""Programs that run when a trigger is due or a result is missing."""

import os

from .system import Change, Failure, Kind, write_atomically


def read_environment(path):
    """Return the variables of a file of ``NAME="value"`` lines as a shell would read them, newlines included."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    variables, position = {}, 0
    while position < len(text):
        if text[position] == "\n":
            position += 1
            continue
        name, _, _rest = text[position:].partition('="')
        position += len(name) + 2
        value = []
        while text[position] != '"':
            if text[position] == "\\":
                position += 1
            value.append(text[position])
            position += 1
        variables[name] = "".join(value)
        position += 1
    return variables


class Command(Kind):
    """See `hawser.resources.Command`."""

    def check(self):
        spec = self.spec
        if spec.get("when") is not None and not self.due:
            return None
        if spec.get("creates") and os.path.lexists(spec["creates"]):
            return None
        if spec.get("marker") and os.path.exists(spec["marker"]):
            return None
        if spec.get("unless"):
            if self.run(spec["unless"], check=False).code == 0:
                return None
        return Change("runs " + (spec.get("title") or " ".join(spec["argv"])))

    def run(self, argv, check=True, stdin=""):
        spec = self.spec
        env = read_environment(spec["env_file"]) if spec.get("env_file") else {}
        env.update(spec.get("env") or {})
        return self.system.run(
            argv, spec.get("user", ""), spec["cwd"], env, stdin, timeout=spec["timeout"], check=check
        )

    def apply(self, change):
        spec = self.spec
        try:
            self.output = self.run(spec["argv"], stdin=spec.get("stdin", "")).output
        except Failure as failure:
            raise Failure(
                "%s: %s" % (spec.get("title") or " ".join(spec["argv"]), failure.message), failure.output
            ) from None
        if spec.get("marker"):
            write_atomically(spec["marker"], b"", 0o644)
