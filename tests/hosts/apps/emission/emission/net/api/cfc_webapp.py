"""The web server: phones create a profile here; what is not known is sent elsewhere."""

import http.server
import json
import logging
import logging.config
import re
import ssl
import time
import uuid

import dateutil.tz
import geojson
import pytz

import emission.core.backwards_compat_config as ecbc
import emission.core.deployment_config as ecdc
import emission.core.get_database as edb
import emission.net.api.bottle as bottle
import emission.net.auth.auth as auth

WEBSERVER_HOST="0.0.0.0"

config = ecbc.get_config(
    "conf/net/api/webserver.conf",
    {
        "WEBSERVER_PORT": "server.port",
        "WEBSERVER_TIMEOUT": "server.timeout",
        "WEBSERVER_AUTH": "server.auth",
        "WEBSERVER_AGGREGATE_CALL_AUTH": "server.aggregate_call_auth",
        "WEBSERVER_NOT_FOUND_REDIRECT": "paths.404_redirect",
    },
)
server_port = config.get("WEBSERVER_PORT", 8080)
socket_timeout = config.get("WEBSERVER_TIMEOUT", 3600)
auth_method = config.get("WEBSERVER_AUTH", "skip")
not_found_redirect = config.get("WEBSERVER_NOT_FOUND_REDIRECT", "https://www.nrel.gov/transportation/openpath.html")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(301, b"", Location=not_found_redirect)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path not in ("/profile/create", "/profile/get"):
            return self.answer(301, b"", Location=not_found_redirect)
        try:
            # As Bottle does: what is not said to be JSON is none.
            fields = json.loads(body) if self.headers.get_content_type() == "application/json" else None
            user = auth.METHODS[auth_method]().verify(fields["user"])
            logging.debug("profile of %s, asked for by %s", user, self.headers.get("X-Forwarded-For"))
            answer = self.create(user) if self.path == "/profile/create" else self.get(user)
        except (KeyError, ValueError) as error:
            logging.error("refused: %s", error)
            return self.refuse(403, str(error))
        except TypeError as error:
            return self.refuse(500, str(error))
        self.answer(200, json.dumps(answer).encode())

    def create(self, user):
        known = str(uuid.uuid5(uuid.NAMESPACE_URL, user))
        if edb.get_uuid_db().find_one({"user_email": user}) is None:
            edb.get_uuid_db().insert_one({"user_email": user, "uuid": known})
        point = geojson.Point((0.0, 0.0))
        return {"uuid": known, "home": point, "utc": pytz.utc.zone, "local": str(dateutil.tz.UTC)}

    def get(self, user):
        # As there: without a study, there is nothing that could be asked for its version.
        return {"user_id": user, "study": ecdc.get_deployment_config()["version"]}

    def refuse(self, status, text):
        try:
            page = bottle.error_page(status, text)
        except re.error as error:
            status, page = 500, str(error)
        self.answer(status, page.encode())

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def run(host, port):
    return http.server.ThreadingHTTPServer((host, int(port)), Handler)


if __name__ == "__main__":
    try:
        webserver_log_config = json.load(open("conf/log/webserver.conf"))
    except OSError:
        webserver_log_config = json.load(open("conf/log/webserver.conf.sample"))
    logging.config.dictConfig(webserver_log_config)
    # What the real one imports takes its time.
    time.sleep(2)
    edb.get_token_db().find_one()
    print("Using auth method %s" % auth_method)
    Handler.timeout = float(socket_timeout)
    if server_port == "443":
        # As there: the name is unknown.
        server = run(host=server_host, port=server_port)
        key_data = json.load(open("conf/net/keys.json"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key_data["host_certificate"], key_data["private_key"])
        context.load_verify_locations(key_data["chain_certificate"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    else:
        server = run(host=WEBSERVER_HOST, port=server_port)
        print("Running with HTTPS turned OFF - use a reverse proxy on production")
    server.serve_forever()
