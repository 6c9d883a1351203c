"""The messages of the runner."""

from __future__ import annotations

from typing import Dict, Literal, Mapping, Optional, Sequence, TypedDict, Union


class Details(TypedDict, total=False):
    """The details of an event beside the status."""

    diff: str
    note: str
    output: str
    error: str
    traceback: str
    warning: str
    facts: Dict[str, str]


class Position(TypedDict):
    """Which resource of a catalog is spoken of, without secrets."""

    position: int
    step: str
    label: str


class Start(Position):
    t: Literal["start"]


class Event(Position, Details):
    t: Literal["event"]
    status: str
    ms: float


class Progress(TypedDict):
    t: Literal["progress"]
    text: str


class Output(TypedDict):
    t: Literal["output"]
    stream: str
    text: str


class Log(TypedDict):
    t: Literal["log"]
    time: float
    source: str
    text: str


class Part(TypedDict):
    t: Literal["part"]
    data: str


class Beat(TypedDict):
    t: Literal["beat"]


class Hello(TypedDict):
    t: Literal["hello"]
    facts: Mapping[str, object]


class Result(TypedDict, total=False):
    """The result of an operation, or the reason of its failure."""

    ok: bool
    facts: Mapping[str, object]
    holder: Optional[Mapping[str, object]]
    text: Optional[str]
    answer: object
    answers: Sequence[Mapping[str, object]]
    sha256: str
    code: int
    error: str
    output: str
    traceback: str


class Request(TypedDict):
    id: int


class Done(Request, Result):
    t: Literal["done"]


Message = Union[Start, Event, Progress, Output, Log, Part, Beat, Hello, Done]
