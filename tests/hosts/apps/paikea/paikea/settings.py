"""Settings; those of production come from the environment."""

import os


class Config:
    LOG_FILE = "logs/logs.log"
    SQLALCHEMY_DATABASE_URI = "sqlite:///database.sql"
    SQLALCHEMY_TRACK_MODIFICATIONS = False
    FIRMWARE_BASE = "../firmware"
    FIRMWARE_REPO = ""


class ProdConfig(Config):
    SQLALCHEMY_DATABASE_URI = os.environ.get("PAIKEA_DB_URI")
    FIRMWARE_REPO = os.environ.get("PAIKEA_FIRMWARE_REPO")
    FIRMWARE_BASE = os.environ.get("PAIKEA_FIRMWARE_BASE")
