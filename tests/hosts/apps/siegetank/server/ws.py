"""The work server: it registers at every command center when it starts, and keeps what these send it."""

import json
import os
import socket
import ssl
import sys
import urllib.request
import uuid

import tornado.httpclient
import tornado.process
import tornado.web

from server.common import ROOT, BaseHandler, BaseServerMixin, configure_options, is_domain


class AliveHandler(BaseHandler):
    def get(self):
        self.set_status(200)


class PostStreamHandler(BaseHandler):
    def post(self):
        if self.request.remote_ip not in self.application.cc_ips:
            return self.set_status(401)
        content = self.content()
        stream = str(uuid.uuid4())
        for folder, files in (
            (os.path.join("targets", content["target_id"]), content["target_files"]),
            (os.path.join("streams", stream), content["stream_files"]),
        ):
            os.makedirs(folder, exist_ok=True)
            for name, text in files.items():
                with open(os.path.join(folder, name), "w") as handle:
                    handle.write(text)
        self.db.set("stream:" + stream, content["target_id"])
        return self.write({"stream_id": stream})


class StreamsHandler(BaseHandler):
    def get(self):
        self.write({name[7:]: self.db.get(name) for name in self.db.keys("stream:*")})


class WorkServer(BaseServerMixin, tornado.web.Application):
    def __init__(self, options):
        print("Starting up Work Server:", options.name)
        self.base_init(options.name, options.redis_options, options.mongo_options)
        self.cc_ips = set()
        self.command_centers = options.command_centers
        for name, properties in options.command_centers.items():
            self.register(name, properties, options)
        super().__init__([(r"/", AliveHandler), (r"/streams", PostStreamHandler), (r"/active_streams", StreamsHandler)])

    def register(self, name, properties, options):
        """Register at a command center; one that refuses us is an error."""
        url, external = properties["url"], options.external_options
        self.cc_ips.add(socket.gethostbyname(url.split(":")[0]))
        body = {
            "name": options.name,
            "url": external["external_url"],
            "http_port": external["external_http_port"],
        }
        client = tornado.httpclient.HTTPClient()
        try:
            client.fetch(
                "https://" + url + "/ws/register",
                method="PUT",
                connect_timeout=2,
                headers={"Authorization": properties["pass"]},
                body=json.dumps(body),
                validate_cert=is_domain(url),
            )
        except (OSError, tornado.httpclient.HTTPError) as error:
            print("cannot register at the command center", name, "at", url + ":", error)
            self.db.shutdown()
            sys.exit(1)
        finally:
            client.close()

    def shutdown(self, *args, **kwargs):
        """Say goodbye to the command centers, from the first child; the parent and the others say nothing."""
        if tornado.process.task_id() == 0:
            for properties in self.command_centers.values():
                # Tornado's own client of today cannot be used where its loop runs already.
                checks = {} if is_domain(properties["url"]) else {"context": ssl._create_unverified_context()}
                request = urllib.request.Request(
                    "https://" + properties["url"] + "/ws/disconnect",
                    json.dumps({"name": self.name}).encode(),
                    {"Authorization": properties["pass"]},
                    method="PUT",
                )
                try:
                    urllib.request.urlopen(request, timeout=5, **checks).close()
                except OSError as error:
                    print("cannot say goodbye:", error)
        BaseServerMixin.shutdown(self, *args, **kwargs)


def start():
    extra = {"command_centers": dict, "external_options": dict}
    options = configure_options(extra, os.path.join(ROOT, "ws.conf"))
    WorkServer(options).serve(options)
