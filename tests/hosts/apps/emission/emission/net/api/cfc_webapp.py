"""The web server: phones create a profile here; what is not known is sent elsewhere."""

import http.server
import json
import logging
import logging.config
import ssl
import time
import uuid

import dateutil.tz
import geojson
import pytz

import emission.core.get_database as edb
import emission.net.auth.auth as auth

try:
    config_file = open("conf/net/api/webserver.conf")
except OSError:
    print("webserver not configured, falling back to sample, default configuration")
    config_file = open("conf/net/api/webserver.conf.sample")
config_data = json.load(config_file)
server_host = config_data["server"]["host"]
server_port = config_data["server"]["port"]
socket_timeout = config_data["server"]["timeout"]
auth_method = config_data["server"]["auth"]
not_found_redirect = "https://www.nrel.gov/transportation/openpath.html"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(301, b"", Location=not_found_redirect)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/profile/create":
            return self.answer(301, b"", Location=not_found_redirect)
        try:
            user = method.verify(json.loads(body)["user"])
            logging.debug("profile of %s, asked for by %s", user, self.headers.get("X-Forwarded-For"))
            known = str(uuid.uuid5(uuid.NAMESPACE_URL, user))
            edb.ask({"register": known})
        except (KeyError, ValueError) as error:
            logging.error("refused: %s", error)
            return self.answer(403, str(error).encode())
        point = geojson.Point((0.0, 0.0))
        answer = {"uuid": known, "home": point, "utc": pytz.utc.zone, "local": str(dateutil.tz.UTC)}
        self.answer(200, json.dumps(answer).encode())

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    try:
        webserver_log_config = json.load(open("conf/log/webserver.conf"))
    except OSError:
        webserver_log_config = json.load(open("conf/log/webserver.conf.sample"))
    logging.config.dictConfig(webserver_log_config)
    # What the real one imports takes its time.
    time.sleep(2)
    method = auth.METHODS[auth_method]()
    edb.ask({"hello": "webserver"})
    print("Using auth method %s" % auth_method)
    Handler.timeout = float(socket_timeout)
    server = http.server.ThreadingHTTPServer((server_host, int(server_port)), Handler)
    if server_port == "443":
        key_data = json.load(open("conf/net/keys.json"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key_data["host_certificate"], key_data["private_key"])
        context.load_verify_locations(key_data["chain_certificate"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    else:
        print("Running with HTTPS turned OFF - use a reverse proxy on production")
    server.serve_forever()
