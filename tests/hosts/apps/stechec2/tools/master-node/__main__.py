"""Hands the champions that wait in the database to worker nodes, which register themselves by their heartbeat."""

import logging
import logging.handlers
import threading
import time
import xmlrpc.client
from xmlrpc.server import SimpleXMLRPCServer

import paths
import psycopg2
import yaml


class MasterNode:
    def __init__(self, config):
        self.config = config
        self.workers = {}
        sql = config["sql"]
        self.login = {key: sql[key] for key in ("host", "port", "user", "password", "database")}
        # A missing schema or a wrong password ends it here.
        self.query("get_champions", {"champion_status": "new"})
        threading.Thread(target=self.forever, args=(self.watch,), daemon=True).start()
        threading.Thread(target=self.forever, args=(self.forget,), daemon=True).start()

    def forever(self, work):
        while True:
            try:
                work()
            except Exception:
                logging.exception("%s", work.__name__)
            time.sleep(1)

    def query(self, name, values):
        database = psycopg2.connect(**self.login)
        try:
            with database, database.cursor() as cursor:
                cursor.execute(self.config["sql"]["queries"][name], values)
                return cursor.fetchall() if cursor.description else []
        finally:
            database.close()

    def trust(self, secret):
        if secret != self.config["master"]["shared_secret"]:
            logging.warning("a worker with another secret was refused")
            raise ValueError("wrong secret")

    def watch(self):
        for number, user in self.query("get_champions", {"champion_status": "new"}):
            free = [key for key, (slots, _all, _heard) in self.workers.items() if slots]
            if not free:
                logging.warning("no worker available for champion %d", number)
                continue
            self.query("set_champion_status", {"champion_id": number, "champion_status": "pending"})
            host, port = free[0]
            worker = xmlrpc.client.ServerProxy(f"http://{host}:{port}/")
            worker.compile_champion(self.config["master"]["shared_secret"], self.config["master"]["contest"], user, number)
            logging.warning("champion %d got to %s:%d", number, host, port)

    def forget(self):
        for key, (_slots, _all, heard) in list(self.workers.items()):
            if time.monotonic() - heard > self.config["worker"]["timeout_secs"]:
                logging.warning("timeout detected for worker %s:%d", *key)
                del self.workers[key]

    # What workers and the website call.

    def heartbeat(self, secret, worker, first):
        self.trust(secret)
        host, port, slots, most = worker
        if (host, port) not in self.workers:
            xmlrpc.client.ServerProxy(f"http://{host}:{port}/").ping(secret)
            logging.warning("registered new worker: %s:%d", host, port)
        self.workers[host, port] = (slots, most, time.monotonic())
        return True

    def compilation_result(self, secret, worker, champion, well):
        self.trust(secret)
        status = "ready" if well else "error"
        logging.warning("compilation of champion %d: %s", champion, status)
        self.query("set_champion_status", {"champion_id": champion, "champion_status": status})
        return True

    def status(self):
        return [[host, port, slots, most] for (host, port), (slots, most, _heard) in self.workers.items()]


def main():
    log = logging.handlers.SysLogHandler("/dev/log")
    log.setFormatter(logging.Formatter("master-node: [%(levelname)s] %(message)s"))
    logging.getLogger("").addHandler(log)
    with open(paths.config_file) as stream:
        config = yaml.safe_load(stream)
    server = SimpleXMLRPCServer(("0.0.0.0", config["master"]["port"]), logRequests=False)
    server.register_introspection_functions()
    server.register_instance(MasterNode(config))
    logging.warning("master node of %s listens", config["master"]["contest"])
    server.serve_forever()


main()
