"""What the celery workers do."""

import os
import subprocess

from flask import current_app as app

from paikea.extensions import db, make_celery
from paikea.models import DeviceFirmwareUpgrade, RockBlockMessage

READY = 2
worker = make_celery(app)


@worker.task
def on_new_rbm(message_id):
    message = db.session.get(RockBlockMessage, message_id)
    message.send()
    db.session.commit()


@worker.task
def prepare_update_directory(upgrade_id):
    """Clone the firmware for one device."""
    upgrade = db.session.get(DeviceFirmwareUpgrade, upgrade_id)
    target = f"{app.config['FIRMWARE_BASE']}/upgrades/{upgrade.device_id}"
    os.mkdir(target)
    ssh = "ssh -i /home/paikea/.ssh/paikea-firmware-deploy"
    argv = ["git", "clone", "--quiet", app.config["FIRMWARE_REPO"], target]
    subprocess.run(argv, env={**os.environ, "GIT_SSH_COMMAND": ssh}, check=True)
    subprocess.run(["git", "-C", target, "checkout", "--quiet", "main"], check=True)
    upgrade.status, upgrade.file_path_suffix = READY, f"upgrades/{upgrade.device_id}"
    db.session.commit()
