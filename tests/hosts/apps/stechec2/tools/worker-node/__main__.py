"""Registers itself at the master node by its heartbeat, and compiles champions in the shared folder."""

import argparse
import logging
import logging.handlers
import os
import socket
import subprocess
import threading
import time
import xmlrpc.client
from xmlrpc.server import SimpleXMLRPCServer

import paths
import yaml


class WorkerNode:
    def __init__(self, config):
        self.config = config
        self.secret = config["master"]["shared_secret"]
        self.slots = config["worker"]["available_slots"]
        if config["worker"]["port_range_start"] >= config["worker"]["port_range_end"]:
            raise ValueError("no ports for tasks")
        # The match server's, which other workers connect to; here it is enough that it listens.
        self.match = socket.create_server(("0.0.0.0", config["worker"]["port_range_start"]))
        threading.Thread(target=self.beat, daemon=True).start()

    def master(self):
        return xmlrpc.client.ServerProxy(
            "http://%s:%d/" % (self.config["master"]["host"], self.config["master"]["port"])
        )

    def infos(self):
        worker = self.config["worker"]
        return [socket.gethostname(), worker["port"], self.slots, worker["available_slots"]]

    def beat(self):
        first = True
        while True:
            try:
                self.master().heartbeat(self.secret, self.infos(), first)
                first = False
            except (OSError, xmlrpc.client.Error) as error:
                logging.warning("master down: %s", error)
            time.sleep(self.config["master"]["heartbeat_secs"])

    def ping(self, secret):
        return secret == self.secret

    def compile_champion(self, secret, contest, user, number):
        if secret != self.secret:
            raise ValueError("wrong secret")
        threading.Thread(target=self.work, args=(contest, user, number), daemon=True).start()
        return True

    def work(self, contest, user, number):
        self.slots -= 1
        root = self.config["paths"]["data_root"]
        folder = os.path.join(root, contest, "champions", user, str(number))
        well = subprocess.run([paths.compile_script, root, folder]).returncode == 0
        self.slots += 1
        self.master().compilation_result(self.secret, self.infos(), number, well)


def main():
    log = logging.handlers.SysLogHandler("/dev/log")
    log.setFormatter(logging.Formatter("worker-node: [%(levelname)s] %(message)s"))
    logging.getLogger("").addHandler(log)
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", "--config", default=paths.config_file)
    with open(parser.parse_args().config) as stream:
        config = yaml.safe_load(stream)
    server = SimpleXMLRPCServer(("0.0.0.0", config["worker"]["port"]), logRequests=False)
    server.register_introspection_functions()
    server.register_instance(WorkerNode(config))
    server.serve_forever()


main()
