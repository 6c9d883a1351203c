"""A stand-in for MongoDB, which cannot be had here: enough of its wire protocol for PyMongo 2.9 to 4.

One file of the standard library alone, so that it can be brought to a host:
``python3 mongo.py [--port 27017] [--certificate FILE]`` (a PEM file with the key: it speaks TLS then). It serves every
client that knocks, keeps everything in memory, and writes a line for every client that connects.

Sources: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and https://bsonspec.org/spec.html
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import socketserver
import ssl
import struct
import sys
import threading

LIMITS = [
    "everything is kept in memory and gone with the process",
    "no users, passwords or roles: whoever connects may do everything",
    "no unique index but _id, no index is used",
    "no replica set, session, transaction or change stream",
    "queries: equality, $in $nin $ne $gt $gte $lt $lte $exists $and $or $nor $not $regex",
    "updates: a whole document, $set $unset $inc $push $addToSet $setOnInsert",
    "aggregation: $match $group with $sum, $sort, $limit, $skip, $project of names",
    "an answer holds all documents at once",
]
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
DUPLICATE = 11000


class Long(int):
    """A number that is written with 64 bits."""


class Raw(bytes):
    """A value of a type that is only passed on: its type, then its bytes."""


def name_at(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def decode(data, at=0):
    """Read a BSON document; returns it, and where it ends."""
    end = at + struct.unpack_from("<i", data, at)[0]
    at += 4
    found = {}
    while data[at]:
        kind = data[at]
        name, at = name_at(data, at + 1)
        found[name], at = decode_value(kind, data, at)
    return found, end


def decode_value(kind, data, at):
    if kind == 0x01:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind in (0x02, 0x0D, 0x0E):
        size = struct.unpack_from("<i", data, at)[0]
        return data[at + 4 : at + 3 + size].decode(), at + 4 + size
    if kind == 0x03:
        return decode(data, at)
    if kind == 0x04:
        found, end = decode(data, at)
        return list(found.values()), end
    if kind == 0x08:
        return bool(data[at]), at + 1
    if kind == 0x0A:
        return None, at
    if kind == 0x10:
        return struct.unpack_from("<i", data, at)[0], at + 4
    if kind == 0x12:
        return Long(struct.unpack_from("<q", data, at)[0]), at + 8
    return decode_raw(kind, data, at)


def decode_raw(kind, data, at):
    """Keep the bytes of a value whose type has no meaning here: binary, ids, dates, patterns, timestamps."""
    if kind == 0x05:
        size = 5 + struct.unpack_from("<i", data, at)[0]
    elif kind == 0x0B:
        size = name_at(data, name_at(data, at)[1])[1] - at
    else:
        sizes = {0x07: 12, 0x09: 8, 0x11: 8, 0x13: 16, 0xFF: 0, 0x7F: 0, 0x06: 0}
        size = sizes[kind]
    return Raw(bytes([kind]) + data[at : at + size]), at + size


def encode(document):
    body = b"".join(encode_value(str(name), value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def encode_value(name, value):
    label = name.encode() + b"\0"
    if isinstance(value, Raw):
        return value[:1] + label + value[1:]
    if value is None:
        return b"\x0a" + label
    if isinstance(value, bool):
        return b"\x08" + label + bytes([value])
    if isinstance(value, Long) or (isinstance(value, int) and abs(value) >= 1 << 31):
        return b"\x12" + label + struct.pack("<q", value)
    if isinstance(value, int):
        return b"\x10" + label + struct.pack("<i", value)
    if isinstance(value, float):
        return b"\x01" + label + struct.pack("<d", value)
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + label + struct.pack("<i", len(text)) + text
    if isinstance(value, dict):
        return b"\x03" + label + encode(value)
    return b"\x04" + label + encode({str(place): each for place, each in enumerate(value)})


ids = itertools.count(1)


def new_id():
    return Raw(b"\x07" + struct.pack(">Iq", os.getpid() & 0xFFFFFFFF, next(ids)))


def values_at(document, path):
    """Return all that a dotted path leads to, through lists as well."""
    here = [document]
    for part in path.split("."):
        found = []
        for each in here:
            if isinstance(each, dict) and part in each:
                found.append(each[part])
            elif isinstance(each, list):
                found += [item[part] for item in each if isinstance(item, dict) and part in item]
                if part.isdigit() and int(part) < len(each):
                    found.append(each[int(part)])
        here = found
    return here


def sort_key(value):
    """Order values of several types as MongoDB does, roughly: nothing, numbers, texts, the rest."""
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, Raw):
        # A date is a little-endian number of milliseconds.
        return (3, struct.unpack("<q", value[1:])[0] if value[0] == 0x09 else 0, bytes(value))
    return (4, repr(value))


def in_order(documents, order):
    """Sort documents by paths, each with 1 or -1."""
    for path, direction in reversed(list(order.items())):
        documents.sort(key=lambda each: sort_key((values_at(each, path) or [None])[0]), reverse=direction < 0)


COMPARISONS = {
    "$gt": lambda one, two: one > two,
    "$gte": lambda one, two: one >= two,
    "$lt": lambda one, two: one < two,
    "$lte": lambda one, two: one <= two,
}


def satisfies(found, name, wanted):
    """Tell whether the values of a path satisfy one operator."""
    flat = found + [item for each in found if isinstance(each, list) for item in each]
    if name == "$exists":
        return bool(found) == bool(wanted)
    if name in ("$in", "$nin"):
        return any(equal(flat, each) for each in wanted) == (name == "$in")
    if name == "$ne":
        return not equal(flat, wanted)
    if name == "$eq":
        return equal(flat, wanted)
    if name == "$not":
        return not matches_value(found, wanted)
    if name == "$regex":
        return any(isinstance(each, str) and re.search(pattern_of(wanted), each) for each in flat)
    if name == "$options":
        return True
    compare = COMPARISONS[name]
    key = sort_key(wanted)
    return any(sort_key(each)[0] == key[0] and compare(sort_key(each), key) for each in flat)


def pattern_of(value):
    if isinstance(value, Raw):
        pattern, at = name_at(bytes(value), 1)
        return ("(?i)" if "i" in name_at(bytes(value), at)[0] else "") + pattern
    return value


def equal(flat, wanted):
    if isinstance(wanted, Raw) and wanted[0] == 0x0B:
        return any(isinstance(each, str) and re.search(pattern_of(wanted), each) for each in flat)
    return wanted in flat or (wanted is None and not flat)


def matches_value(found, wanted):
    if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
        return all(satisfies(found, name, each) for name, each in wanted.items())
    return equal(found + [item for each in found if isinstance(each, list) for item in each], wanted)


def matches(document, query):
    """Tell whether a document fits a query."""
    for name, wanted in query.items():
        if name == "$and":
            fits = all(matches(document, each) for each in wanted)
        elif name in ("$or", "$nor"):
            fits = any(matches(document, each) for each in wanted) == (name == "$or")
        elif name == "$comment":
            fits = True
        else:
            fits = matches_value(values_at(document, name), wanted)
        if not fits:
            return False
    return True


def parent_of(document, path):
    *parts, last = path.split(".")
    for part in parts:
        document = document[int(part)] if isinstance(document, list) else document.setdefault(part, {})
    return document, last


def change(document, update, inserted=False):
    """Change a document as an update says."""
    if not any(name.startswith("$") for name in update):
        kept = {"_id": document["_id"]} if "_id" in document else {}
        document.clear()
        document.update({**kept, **update})
        return
    for operator, fields in update.items():
        if operator == "$setOnInsert" and not inserted:
            continue
        for path, value in fields.items():
            place, last = parent_of(document, path)
            apply(operator, place, last, value)


def apply(operator, place, last, value):
    if operator in ("$set", "$setOnInsert"):
        place[last] = value
    elif operator == "$unset":
        place.pop(last, None)
    elif operator == "$inc":
        place[last] = place.get(last, 0) + value
    elif operator in ("$push", "$addToSet"):
        items = value["$each"] if isinstance(value, dict) and "$each" in value else [value]
        there = place.setdefault(last, [])
        there += [each for each in items if operator == "$push" or each not in there]
    else:
        raise Refused(f"the update operator {operator} is not known here")


def project(document, fields):
    """Leave out of a document what is not asked for."""
    if not fields:
        return document
    names = {name: value for name, value in fields.items() if name != "_id"}
    if all(not value for value in names.values()):
        left_out = {*names, *([] if fields.get("_id", True) else ["_id"])}
        return {name: value for name, value in document.items() if name not in left_out}
    wanted = {name.split(".")[0] for name in names} | ({"_id"} if fields.get("_id", True) else set())
    return {name: value for name, value in document.items() if name in wanted}


class Refused(Exception):
    """What a client is told; its code goes into the answer."""

    def __init__(self, message, code=59):
        super().__init__(message)
        self.code = code


class Store:
    """Collections by database and name."""

    def __init__(self):
        self.collections = {}
        self.lock = threading.Lock()

    def documents(self, database, name):
        return self.collections.setdefault((database, name), [])

    def select(self, database, name, query, fields=None, order=None, skip=0, limit=0):
        found = [each for each in self.documents(database, name) if matches(each, query)]
        in_order(found, order or {})
        found = found[skip:]
        return [project(each, fields) for each in (found[: abs(limit)] if limit else found)]

    def insert(self, database, name, document):
        if "_id" not in document:
            document = {"_id": new_id(), **document}
        there = self.documents(database, name)
        if any(each["_id"] == document["_id"] for each in there):
            raise Refused(f"E11000 duplicate key error collection: {database}.{name} index: _id_", DUPLICATE)
        there.append(document)
        return document

    def update(self, database, name, query, update, multi=False, upsert=False):
        """Change what fits; returns how many were changed, and the id of one that was made."""
        found = [each for each in self.documents(database, name) if matches(each, query)]
        for each in found if multi else found[:1]:
            change(each, update)
        if found or not upsert:
            return len(found if multi else found[:1]), None
        plain = {key: value for key, value in query.items() if not key.startswith("$") and not isinstance(value, dict)}
        change(plain, update, inserted=True)
        return 1, self.insert(database, name, {**{k: v for k, v in query.items() if k == "_id"}, **plain})["_id"]

    def delete(self, database, name, query, limit=0):
        there = self.documents(database, name)
        gone = [each for each in there if matches(each, query)][: limit or None]
        there[:] = [each for each in there if not any(each is other for other in gone)]
        return len(gone)


STORE = Store()


def greet(database, command):
    return {
        "ismaster": True,
        "isWritablePrimary": True,
        "maxBsonObjectSize": 16777216,
        "maxMessageSizeBytes": 48000000,
        "maxWriteBatchSize": 100000,
        "minWireVersion": 0,
        "maxWireVersion": 17,
        "readOnly": False,
    }


def cursor(database, name, found):
    return {"cursor": {"id": Long(0), "ns": f"{database}.{name}", "firstBatch": found}}


def find(database, command):
    found = STORE.select(
        database,
        command["find"],
        command.get("filter", {}),
        command.get("projection"),
        command.get("sort"),
        command.get("skip", 0),
        command.get("limit", 0),
    )
    return cursor(database, command["find"], found)


def write(database, command, kind):
    """Do the writes of one command; those that fail are named, and in an ordered one the last."""
    count, failed, made = 0, [], []
    for place, each in enumerate(command[{"insert": "documents", "update": "updates", "delete": "deletes"}[kind]]):
        try:
            if kind == "insert":
                STORE.insert(database, command[kind], each)
                count += 1
            elif kind == "update":
                changed, new = STORE.update(
                    database, command[kind], each["q"], each["u"], each.get("multi", False), each.get("upsert", False)
                )
                count += changed
                made += [] if new is None else [{"index": place, "_id": new}]
            else:
                count += STORE.delete(database, command[kind], each["q"], each.get("limit", 0))
        except Refused as error:
            failed.append({"index": place, "code": error.code, "errmsg": str(error)})
            if command.get("ordered", True):
                break
    answer = {"n": count}
    if kind == "update":
        answer["nModified"] = count - len(made)
    return {**answer, **({"upserted": made} if made else {}), **({"writeErrors": failed} if failed else {})}


def find_and_modify(database, command):
    name = command.get("findAndModify") or command["findandmodify"]
    query = command.get("query", {})
    found = STORE.select(database, name, query, order=command.get("sort"), limit=1)
    before = dict(found[0]) if found else None
    if command.get("remove"):
        STORE.delete(database, name, {"_id": before["_id"]} if before else query, 1)
        return {"value": before, "lastErrorObject": {"n": int(bool(before))}}
    chosen = {"_id": before["_id"]} if before else query
    _count, made = STORE.update(database, name, chosen, command["update"], upsert=command.get("upsert", False))
    after = STORE.select(database, name, {"_id": made} if made is not None else chosen, limit=1)
    value = (after[0] if after else None) if command.get("new") else before
    return {"value": value, "lastErrorObject": {"n": 1, "updatedExisting": before is not None}}


def aggregate(database, command):
    found = list(STORE.documents(database, command["aggregate"]))
    for stage in command["pipeline"]:
        ((name, value),) = stage.items()
        if name == "$match":
            found = [each for each in found if matches(each, value)]
        elif name == "$group":
            found = group(found, value)
        elif name == "$sort":
            in_order(found, value)
        elif name in ("$limit", "$skip"):
            found = found[:value] if name == "$limit" else found[value:]
        elif name == "$project":
            found = [project(each, value) for each in found]
        elif name == "$count":
            found = [{value: len(found)}] if found else []
        else:
            raise Refused(f"the stage {name} is not known here")
    return cursor(database, command["aggregate"], found)


def group(found, value):
    """Gather documents by an expression that is a path or a constant; fields are sums."""

    def evaluate(document, expression):
        if isinstance(expression, str) and expression.startswith("$"):
            return (values_at(document, expression[1:]) or [None])[0]
        return expression

    gathered = {}
    for each in found:
        key = evaluate(each, value["_id"])
        row = gathered.setdefault(repr(key), {"_id": key})
        for name, expression in value.items():
            if name != "_id":
                row[name] = row.get(name, 0) + (evaluate(each, expression["$sum"]) or 0)
    return list(gathered.values())


def count(database, command):
    found = STORE.select(database, command["count"], command.get("query") or {})
    return {"n": len(found[command.get("skip", 0) :][: command.get("limit") or None])}


def distinct(database, command):
    found = []
    for each in STORE.select(database, command["distinct"], command.get("query") or {}):
        for value in values_at(each, command["key"]):
            found += [item for item in (value if isinstance(value, list) else [value]) if item not in found]
    return {"values": found}


def drop(database, command):
    return {"was": bool(STORE.collections.pop((database, command["drop"]), None))}


def drop_database(database, command):
    for key in [key for key in STORE.collections if key[0] == database]:
        del STORE.collections[key]
    return {"dropped": database}


def list_collections(database, command):
    found = [
        {"name": name, "type": "collection", "options": {}} for place, name in STORE.collections if place == database
    ]
    wanted = command.get("filter", {})
    return cursor(database, "$cmd.listCollections", [each for each in found if matches(each, wanted)])


def list_databases(database, command):
    return {"databases": [{"name": each} for each in sorted({key[0] for key in STORE.collections})]}


def nothing(database, command):
    return {}


COMMANDS = {
    "isMaster": greet,
    "hello": greet,
    "ping": nothing,
    "buildInfo": lambda database, command: {"version": "6.0.0", "versionArray": [6, 0, 0, 0]},
    "getLastError": nothing,
    "endSessions": nothing,
    "killCursors": nothing,
    "create": nothing,
    "createIndexes": nothing,
    "dropIndexes": nothing,
    "listIndexes": lambda database, command: cursor(
        database, command["listIndexes"], [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    ),
    "find": find,
    "insert": lambda database, command: write(database, command, "insert"),
    "update": lambda database, command: write(database, command, "update"),
    "delete": lambda database, command: write(database, command, "delete"),
    "findAndModify": find_and_modify,
    "aggregate": aggregate,
    "count": count,
    "distinct": distinct,
    "drop": drop,
    "dropDatabase": drop_database,
    "listCollections": list_collections,
    "listDatabases": list_databases,
}
BY_NAME = {name.lower(): function for name, function in COMMANDS.items()}


def obey(database, command):
    """Do a command and return its answer."""
    name = next(iter(command), "")
    function = BY_NAME.get(name.lower())
    if function is None:
        print(f"unknown command {name}", flush=True)
        return {"ok": 0.0, "errmsg": f"no such command: '{name}'", "code": 59}
    try:
        with STORE.lock:
            return {**function(database, command), "ok": 1.0}
    except Refused as error:
        return {"ok": 0.0, "errmsg": str(error), "code": error.code}


class Client(socketserver.StreamRequestHandler):
    """One connection of a driver."""

    def handle(self):
        print(f"{self.client_address[0]} connected", flush=True)
        with contextlib.suppress(OSError, EOFError):
            while True:
                length, request, _to, code = struct.unpack("<iiii", self.exactly(16))
                self.answer(code, request, self.exactly(length - 16))

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def send(self, code, request, body):
        self.wfile.write(struct.pack("<iiii", 16 + len(body), 0, request, code) + body)

    def answer(self, code, request, body):
        if code == OP_QUERY:
            documents = self.query(body)
            packed = b"".join(encode(each) for each in documents)
            self.send(OP_REPLY, request, struct.pack("<iqii", 8, 0, 0, len(documents)) + packed)
        elif code == OP_MSG:
            flags, command = self.message(body)
            answer = obey(command.pop("$db", "admin"), command)
            # More to come: nobody waits for an answer.
            if not flags & 2:
                self.send(OP_MSG, request, struct.pack("<I", 0) + b"\0" + encode(answer))
        else:
            print(f"unknown message {code}", flush=True)

    def query(self, body):
        """Answer the old form of questions, in which commands are questions as well."""
        name, at = name_at(body, 4)
        skip, limit = struct.unpack_from("<ii", body, at)
        question, at = decode(body, at + 8)
        fields = decode(body, at)[0] if at < len(body) else None
        database, _, collection = name.partition(".")
        if collection == "$cmd":
            return [obey(database, question.get("$query", question))]
        with STORE.lock:
            wanted = question.get("$query", question.get("query", question)) if "$query" in question else question
            # A positive number is the size of a batch, a negative one a limit.
            most = -limit if limit < 0 else 0
            return STORE.select(database, collection, wanted, fields, question.get("$orderby"), skip, most)

    @staticmethod
    def message(body):
        flags = struct.unpack_from("<I", body)[0]
        at, end = 4, len(body) - (4 if flags & 1 else 0)
        command = {}
        sequences = {}
        while at < end:
            kind, at = body[at], at + 1
            if kind == 0:
                command, at = decode(body, at)
                continue
            stop = at + struct.unpack_from("<i", body, at)[0]
            name, at = name_at(body, at + 4)
            sequences[name] = []
            while at < stop:
                document, at = decode(body, at)
                sequences[name].append(document)
        return flags, {**command, **sequences}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    certificate = ""

    def finish_request(self, request, client_address):
        """Greet over TLS in the client's own thread: one that does not speak it holds up nobody."""
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # Drivers of an old Python know no newer one.
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate)
            try:
                request = context.wrap_socket(request, server_side=True)
            except OSError as error:
                print(f"{client_address[0]} speaks no TLS: {error}", flush=True)
                return
        self.RequestHandlerClass(request, client_address, self)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--certificate", default="")
    chosen = parser.parse_args(argv)
    with Server(("", chosen.port), Client) as server:
        server.certificate = chosen.certificate
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
