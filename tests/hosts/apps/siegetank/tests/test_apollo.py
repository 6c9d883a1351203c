"""The store that was built answers, and lets nobody in without its password."""

import unittest

import redis
import server.common as common


class TestStore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = common.init_redis({"port": 29387, "requirepass": "test_pass"})

    @classmethod
    def tearDownClass(cls):
        cls.db.shutdown()

    def test_set_and_get(self):
        self.db.set("person:joe", "a b")
        self.assertEqual(self.db.get("person:joe"), "a b")
        self.assertEqual(self.db.keys("person:*"), ["person:joe"])

    def test_password(self):
        stranger = redis.Redis(host="localhost", port=29387)
        with self.assertRaises(redis.exceptions.RedisError):
            stranger.ping()
