import pytest

from hawser.runner.helper.definitions import Excess, require_crontab, require_program, require_unit

UNIT = """# hawser: application=yard process=web release=1111111111-aaaaaaaa
[Unit]
Description=yard web
After=network.target

[Service]
ExecStart=/srv/yard/releases/1/run server --bind x
Type=exec
User=yard
Group=yard
NoNewPrivileges=yes
CapabilityBoundingSet=
StandardOutput=append:/srv/yard/log/web.log

[Install]
WantedBy=multi-user.target
"""
PROGRAM = """; hawser: application=yard process=worker release=1111111111-aaaaaaaa
[program:yard-worker]
command=/srv/yard/releases/1/run worker
user=yard
stdout_logfile=/srv/yard/log/worker.log
"""
CRONTAB = """# The entries of yard.
SHELL=/bin/sh
MAILTO=""
*/5 * * * * yard cd /srv/yard && run it
@daily yard x
"""


def in_logs(path):
    return path.startswith("/srv/yard/log/") and "%" not in path and ".." not in path


def unit(text):
    require_unit(text, {"yard"}, {"yard"}, {"OOMScoreAdjust=-5"}, in_logs)


def test_what_deploys_write_has_no_more_rights_than_its_user():
    unit(UNIT)
    require_program(PROGRAM, "yard-worker", {"yard"}, in_logs)
    require_crontab(CRONTAB, {"yard"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("User=yard", "User=root"),
        ("User=yard\n", ""),
        ("User=yard", "User=yard\nUser=root"),
        ("User=yard", "User=root\nUser=yard"),
        ("User=yard", "User=%i"),
        ("User=yard", "User=0"),
        ("User=yard", " User=yard"),
        ("User=yard", "user=yard"),
        ("User=yard\n", "User=yard\nGroup=docker\n"),
        ("Group=yard", "Group=docker"),
        ("Group=yard\n", ""),
        ("Group=yard", "Group=yard\nSupplementaryGroups=disk"),
        ("Type=exec", "Type=forking\nPIDFile=/srv/yard/run/x"),
        ("ExecStart=/srv", "ExecStart=+/srv"),
        ("ExecStart=/srv", "ExecStart=!/srv"),
        ("ExecStart=/srv", "ExecStart=-+/srv"),
        ("ExecStart=/srv", "ExecStart=@+/srv"),
        ("ExecStart=/srv", "ExecStart= +/srv"),
        ("--bind x", "; +/bin/sh -c id"),
        ("--bind x", "--bind \\\n+/bin/sh"),
        ("Type=exec", "Type=oneshot\nExecStartPre=+/bin/sh -c id"),
        ("Type=exec", "Type=exec\nExecStopPost=/bin/sh -c id"),
        ("Type=exec", "Type=exec\nAmbientCapabilities=CAP_SYS_ADMIN"),
        ("Type=exec", "Type=exec\nPermissionsStartOnly=yes"),
        ("Type=exec", "Type=exec\nRootDirectory=/srv/yard/data"),
        ("Type=exec", "Type=exec\nBindPaths=/etc:/srv/yard/x"),
        ("Type=exec", "Type=exec\nStateDirectory=../../etc"),
        ("Type=exec", "Type=exec\nRuntimeDirectory=x"),
        ("Type=exec", "Type=exec\nLoadCredential=x:/etc/shadow"),
        ("Type=exec", "Type=exec\nEnvironmentFile=/etc/shadow"),
        ("Type=exec", "Type=exec\nEnvironmentFile=/srv/yard/data/link"),
        ("Type=exec", "Type=exec\nTTYPath=/etc/shadow"),
        ("Type=exec", "Type=exec\nPAMName=login"),
        ("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_SYS_ADMIN"),
        ("append:/srv/yard/log/web.log", "append:/etc/cron.d/x"),
        ("append:/srv/yard/log/web.log", "append:/srv/yard/log/../../../etc/cron.d/x"),
        ("append:/srv/yard/log/web.log", "append:/srv/yard/log/%i"),
        ("append:/srv/yard/log/web.log", "file:/srv/yard/log/web.log"),
        ("append:/srv/yard/log/web.log", "fd:x"),
        ("WantedBy=multi-user.target", "WantedBy=multi-user.target\nAlias=sshd.service"),
        ("WantedBy=multi-user.target", "WantedBy=sysinit.target"),
        ("After=network.target", "Wants=debug-shell.service"),
        ("After=network.target", "OnFailure=debug-shell.service"),
        ("After=network.target", "Conflicts=ssh.service"),
        ("[Install]", "[Socket]\nListenStream=22\n[Install]"),
        ("[Service]", "[Service]\r\nUser=root\r"),
        ("yard web", "yard\x0bweb"),
        ("yard web", "yard\x85web"),
        ("[Unit]", "Description=x\n[Unit]"),
    ],
)
def test_a_unit_that_has_more_is_refused(old, new):
    assert old in UNIT
    with pytest.raises(Excess):
        unit(UNIT.replace(old, new, 1))


def test_a_line_that_an_administrator_has_let_through_is_let_through():
    unit(UNIT.replace("Type=exec", "Type=exec\nOOMScoreAdjust=-5"))
    with pytest.raises(Excess):
        unit(UNIT.replace("Type=exec", "Type=exec\nOOMScoreAdjust=-6"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("user=yard", "user=root"),
        ("user=yard\n", ""),
        ("user=yard", "user=yard\nuser=root"),
        ("user=yard", "user:root\nuser=yard"),
        ("user=yard", "user = root"),
        ("user=yard", "USER=root\nuser=yard"),
        ("user=yard", "user=yard\n serverurl=x"),
        ("user=yard", "user=%(ENV_X)s"),
        ("stdout_logfile=/srv/yard/log/worker.log", "stdout_logfile=/etc/cron.d/x"),
        ("stdout_logfile=/srv/yard/log/worker.log", "stdout_logfile=/srv/yard/log/%(host_node_name)s"),
        ("stdout_logfile=/srv/yard/log/worker.log", "stderr_logfile=/srv/yard/data/link"),
        ("[program:yard-worker]", "[program:other-worker]"),
        ("[program:yard-worker]", "[eventlistener:yard-worker]"),
        ("[program:yard-worker]", "[program:yard-worker]\n[include]\nfiles=/srv/yard/*.conf"),
        ("user=yard", "user=yard\n[supervisord]\nuser=root"),
        ("user=yard", "user=yard\n[unix_http_server]\nchmod=0777"),
    ],
)
def test_a_program_that_has_more_is_refused(old, new):
    assert old in PROGRAM
    with pytest.raises(Excess):
        require_program(PROGRAM.replace(old, new, 1), "yard-worker", {"yard"}, in_logs)


@pytest.mark.parametrize(
    "line",
    [
        "* * * * * root id",
        "@reboot root id",
        "* * * * * yard\tid\n* * * * * root id",
        "PATH=/srv/yard/bin",
        "SHELL=/srv/yard/sh",
        "LD_PRELOAD=/srv/yard/x.so",
        "MAILTO=root",
        ";* * * * * yard id",
        " * * * * * root id",
        "* * * * * id",
        "* * * * * yard\x0b* * * * * root id",
    ],
)
def test_a_crontab_that_has_more_is_refused(line):
    with pytest.raises(Excess):
        require_crontab(CRONTAB + line + "\n", {"yard"})
