"""As in the original, these tests want a MongoDB on this host; where there is none, they fail."""

import unittest

import server.common as common


class TestMongo(unittest.TestCase):
    def test_a_database_is_there(self):
        common.ask_mongo("localhost:27017")
