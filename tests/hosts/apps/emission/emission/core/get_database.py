"""The database: where it is, and its collections."""

import pymongo

import emission.core.backwards_compat_config as ecbc

config = ecbc.get_config(
    "conf/storage/db.conf", {"DB_HOST": "timeseries.url", "DB_RESULT_LIMIT": "timeseries.result_limit"}
)
url = config.get("DB_HOST", "localhost")
result_limit = int(config.get("DB_RESULT_LIMIT", 250000))
name = pymongo.uri_parser.parse_uri(url)["database"] or "Stage_database"
print("Connecting to database URL " + url)
_current_db = pymongo.MongoClient(url, uuidRepresentation="pythonLegacy", serverSelectionTimeoutMS=20000)[name]


def get_token_db():
    return _current_db.Stage_Tokens


def get_uuid_db():
    return _current_db.Stage_uuids
