"""What the database holds."""

import os

from paikea.extensions import db


class Buoy(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    iam = db.Column(db.String(16))


class DeviceFirmwareUpgrade(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    device_id = db.Column(db.String(16))
    status = db.Column(db.Integer)
    file_path_suffix = db.Column(db.String(128))


class RockBlockMessage(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    data = db.Column(db.String(1024))
    sent_as = db.Column(db.String(256))

    def send(self):
        """Note the account that a message would be sent with, in place of sending it."""
        user, password = os.environ.get("ROCKBLOCK_USER"), os.environ.get("ROCKBLOCK_PASS")
        if not user or not password:
            raise ValueError("Missing RB Credentials, is environ set?")
        self.sent_as = f"{user} {password}"
