"""What the command center and the work server share: options, the store that they start, MongoDB, the end."""

import ipaddress
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

import redis
import tornado.httpserver
import tornado.ioloop
import tornado.options
import tornado.web

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")


def is_domain(url):
    """Tell whether a url is a domain, and no address."""
    base = url.split(":")[0]
    if base == "localhost":
        return False
    try:
        ipaddress.ip_address(base)
    except ValueError:
        return True
    return False


def configure_options(extra_options, conf_path):
    """Read a settings file, which is a Python file; a value of another type is an error."""
    shared = {
        "name": str,
        "redis_options": dict,
        "mongo_options": dict,
        "internal_http_port": int,
        "ssl_certfile": str,
        "ssl_key": str,
        "ssl_ca_certs": str,
    }
    for name, kind in {**shared, **extra_options}.items():
        tornado.options.define(name, type=kind)
    tornado.options.parse_config_file(conf_path)
    return tornado.options.options


def init_redis(redis_options):
    """Start the server that was built in redis/, and wait until it answers."""
    args = [os.path.join(ROOT, "redis", "src", "redis-server")]
    for name, value in redis_options.items():
        args += ["--" + name, str(value)]
    process = subprocess.Popen(args)
    client = redis.Redis(
        host="localhost",
        port=int(redis_options["port"]),
        password=redis_options.get("requirepass"),
        decode_responses=True,
    )
    deadline = time.time() + 15
    while time.time() < deadline:
        try:
            client.ping()
            return client
        except redis.exceptions.ConnectionError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise ValueError("Could not start redis")


def ask_mongo(host):
    """Greet MongoDB as a driver does (OP_QUERY isMaster): over TLS when its host has a name, plainly for an address.

    The driver of that time does not check the server's certificate.

    :param host: with the port: ``HOST:PORT``.
    """
    name, _, port = host.partition(":")
    link = socket.create_connection((name, int(port or 27017)), timeout=5)
    if is_domain(host):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        link = context.wrap_socket(link)
    query = struct.pack("<i", 19) + b"\x10isMaster\x00" + struct.pack("<i", 1) + b"\x00"
    body = struct.pack("<i", 0) + b"admin.$cmd\x00" + struct.pack("<ii", 0, -1) + query
    with link:
        link.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2004) + body)
        answer = b""
        while len(answer) < 4 or len(answer) < struct.unpack("<i", answer[:4])[0]:
            part = link.recv(4096)
            if not part:
                raise ValueError("MongoDB hung up")
            answer += part
    if b"\x08ismaster\x00\x01" not in answer:
        raise ValueError("MongoDB is no master")


class BaseServerMixin:
    """A server with a store of its own and a connection to MongoDB."""

    def base_init(self, name, redis_options, mongo_options):
        self.name = name
        # Names of files in the working directory, which nobody knows before.
        if "logfile" in redis_options:
            redis_options["logfile"] += name
        if "appendfilename" in redis_options:
            redis_options["appendonly"] = "yes"
            redis_options["appendfilename"] += name
        self.db = init_redis(redis_options)
        if mongo_options:
            ask_mongo(mongo_options["host"])
        signal.signal(signal.SIGINT, self.shutdown)
        signal.signal(signal.SIGTERM, self.shutdown)

    def shutdown(self, signal_number=None, stack_frame=None):
        try:
            self.db.shutdown()
        except redis.exceptions.RedisError:
            # Another one of us was faster.
            pass
        sys.exit(0)

    def serve(self, options):
        """Serve over TLS, in a process for each CPU; this one only watches them."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(ROOT, options.ssl_certfile), os.path.join(ROOT, options.ssl_key))
        context.load_verify_locations(os.path.join(ROOT, options.ssl_ca_certs))
        server = tornado.httpserver.HTTPServer(self, ssl_options=context)
        server.bind(options.internal_http_port)
        server.start(0)
        tornado.ioloop.IOLoop.current().start()


class BaseHandler(tornado.web.RequestHandler):
    @property
    def db(self):
        return self.application.db

    def content(self):
        return json.loads(self.request.body.decode())
