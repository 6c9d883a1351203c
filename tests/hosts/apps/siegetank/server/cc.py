"""The command center: work servers register here with its password."""

import json
import os

import tornado.web

from server.common import ROOT, BaseHandler, BaseServerMixin, configure_options


class RegisterWSHandler(BaseHandler):
    def put(self):
        if self.request.headers.get("Authorization") != self.application.cc_pass:
            return self.set_status(401)
        content = self.content()
        if not isinstance(content["http_port"], str):
            # As a text it is put into addresses.
            return self.set_status(400)
        self.db.set("ws:" + content["name"], json.dumps({**content, "online": True}, sort_keys=True))
        return self.write({})


class DisconnectWSHandler(BaseHandler):
    def put(self):
        if self.request.headers.get("Authorization") != self.application.cc_pass:
            return self.set_status(401)
        key = "ws:" + self.content()["name"]
        known = json.loads(self.db.get(key))
        self.db.set(key, json.dumps({**known, "online": False}, sort_keys=True))
        return self.write({})


class WSStatusHandler(BaseHandler):
    def get(self):
        known = {name[3:]: json.loads(self.db.get(name)) for name in sorted(self.db.keys("ws:*"))}
        self.write(
            {
                name: {"url": each["url"] + ":" + each["http_port"], "online": each["online"]}
                for name, each in known.items()
            }
        )


class CommandCenter(BaseServerMixin, tornado.web.Application):
    def __init__(self, options):
        print("Starting up Command Center:", options.name)
        self.base_init(options.name, options.redis_options, options.mongo_options)
        self.cc_pass = options.cc_pass
        # There is nothing at "/".
        super().__init__(
            [
                (r"/ws/register", RegisterWSHandler),
                (r"/ws/disconnect", DisconnectWSHandler),
                (r"/ws/status", WSStatusHandler),
            ]
        )


def start():
    extra = {"external_http_port": int, "cc_pass": str}
    options = configure_options(extra, os.path.join(ROOT, "cc.conf"))
    CommandCenter(options).serve(options)
