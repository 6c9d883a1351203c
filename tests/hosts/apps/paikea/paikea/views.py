"""What visitors and devices ask for."""

from flask import Blueprint, jsonify, render_template, request, send_from_directory

from paikea import tasks
from paikea.extensions import db
from paikea.models import Buoy, DeviceFirmwareUpgrade, RockBlockMessage

blueprint = Blueprint("paikea", __name__)


@blueprint.route("/v1/buoys")
def all_buoy():
    return jsonify([buoy.iam for buoy in db.session.query(Buoy).all()])


@blueprint.route("/v1/buoy/register", methods=["POST"])
def register_buoy():
    buoy = Buoy()
    db.session.add(buoy)
    db.session.commit()
    buoy.iam = f"PK{buoy.id:03}"
    db.session.commit()
    return jsonify({"iam": buoy.iam})


@blueprint.route("/rockblock/incoming", methods=["POST", "GET"])
def raw():
    if request.method == "POST":
        message = RockBlockMessage(data=request.get_data(as_text=True))
        db.session.add(message)
        db.session.commit()
        tasks.on_new_rbm.delay(message.id)
        return "OK"
    return jsonify([message.sent_as for message in db.session.query(RockBlockMessage).all()])


@blueprint.route("/v1/<device_type>/<device_id>/upgrade", methods=["GET", "POST"])
def firmware_upgrade_request(device_type, device_id):
    data = request.get_json()
    if data["cmd"] == "init":
        upgrade = DeviceFirmwareUpgrade(device_id=device_id, status=0)
        db.session.add(upgrade)
        db.session.commit()
        tasks.prepare_update_directory.delay(upgrade.id)
        return jsonify({"job_id": upgrade.id, "status": upgrade.status})
    upgrade = db.session.get(DeviceFirmwareUpgrade, data["job_id"])
    if data["cmd"] == "get_file":
        path = upgrade.file_path_suffix + "/" + data["file_path"]
        return send_from_directory('../firmware', path, mimetype="text/plain")  # fmt: skip
    return jsonify({"job_id": upgrade.id, "status": upgrade.status})


@blueprint.route("/v1/app")
def routes():
    return render_template("app.htm")
