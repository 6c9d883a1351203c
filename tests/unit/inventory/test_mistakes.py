"""Each kind of wrong input, and the exact key and words that the user gets."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hawser.errors import InputErrors
from hawser.inventory.documents import Document
from hawser.inventory.parse import parse

APP = '[app]\nname = "shop"\nrepo = "https://git.example.org/shop.git"\n'
WEB = '[processes.web]\ncommand = "gunicorn --bind unix:{{ socket }}"\n'
HOSTS = '[hosts.web1]\ngroups = ["web"]\n[hosts.data1]\ngroups = ["data"]\n'

CERTIFICATES = "[certificates.a]\ncertificate = 'a.pem'\nkey = 'a.key'\nnames = ['a.test']\n"
ACME = (
    "[env]\nrequired = ['DNS_SECRET']\n[processes.web]\ncommand = 'x'\nport = 1\n"
    "[site]\ndomains = ['a.example.org']\ntls = 'acme'\n"
)
RFC2136 = (
    "acme = { dns = { plugin = 'rfc2136', credentials = { server = '192.0.2.53', name = 'shop', "
    "secret = '{{ secrets.DNS_SECRET }}' } } }"
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
ADMIN = f"keys = ['{KEY}']\nrole = 'admin'\n"

# sentence -> (what is changed, key, message, hint)
MISTAKES = {
    "root reads no variables that the application's user may write": (
        "[persistent]\nfolders = ['data']\n"
        "[processes.w]\ncommand = 'x {{ port }}'\nport = 8000\nenvironment_file = '/srv/shop/data/private.env'",
        "processes.w.environment_file",
        "data belongs to the application's user, and root opens this file",
        "choose a place that is root's, such as /srv/shop/log",
    ),
    "root opens no log that the application's user may replace by a link": (
        "[persistent]\nfolders = ['logs']\n"
        "[processes.w]\ncommand = 'x {{ port }}'\nport = 8000\n"
        "extra = { StandardError = 'append:{{ app.root }}/logs/w.err' }",
        "processes.w.extra.StandardError",
        "logs belongs to the application's user, and root opens this file",
        "choose a place that is root's, such as /srv/shop/log",
    ),
    "nobody of the team is the application": (
        f"[team.shop]\n{ADMIN}",
        "team.shop",
        "shop is app.user",
        "name the member otherwise",
    ),
    "nobody of the team is the superuser": (
        f"[team.root]\n{ADMIN}",
        "team.root",
        "root is the superuser",
        "name the member otherwise",
    ),
    "nobody of the team is the user of a process": (
        f"[processes.w]\ncommand = 'x {{{{ socket }}}}'\nuser = 'worker'\n[team.worker]\n{ADMIN}",
        "team.worker",
        "worker is the user of processes.w",
        "name the member otherwise",
    ),
    "a key is one person's": (
        f"[team.ann]\n{ADMIN}[team.bob]\n{ADMIN}",
        "team.bob.keys[0]",
        "is a key of ann too",
        "one key is one person's",
    ),
    "who may become root is said": (
        f"[team.ann]\nkeys = ['{KEY}']",
        "team.ann.role",
        "is missing",
        "`admin` becomes root by sudo, without a password, so can deploy",
    ),
    "where nobody is banned, nobody is excepted": (
        "[sshd]\nnever_banned = ['203.0.113.0/24']",
        "sshd.never_banned",
        "nobody is banned",
        "add fail2ban = true, or remove it",
    ),
    "what backups are encrypted with is a secret": (
        "[persistent]\nfolders = ['media']\n[backup.offsite]\nrepository = '/mnt/vault'\npassword = 'VAULT'",
        "backup.offsite.password",
        "VAULT is no secret",
        "list it in env.required or env.generated",
    ),
    "only persistent folders leave a host": (
        "[env]\nrequired = ['VAULT']\n[persistent]\nfolders = ['media']\n"
        "[backup.offsite]\nrepository = '/mnt/vault'\npassword = 'VAULT'\nfolders = ['medias']",
        "backup.offsite.folders[0]",
        "medias is no persistent folder",
        "did you mean media?",
    ),
    "backups go to nobody who is not known": (
        "[env]\nrequired = ['VAULT']\n[persistent]\nfolders = ['media']\n"
        "[backup.offsite]\nrepository = 'sftp:ann@vault.test:x'\npassword = 'VAULT'",
        "backup.offsite.host_key",
        "is missing: without it, nobody knows to whom the backups go",
        "the server's key, as ssh-keyscan shows it and its owner confirms",
    ),
    "something has to be there that could leave the host": (
        "[env]\nrequired = ['VAULT']\n[backup.offsite]\nrepository = '/mnt/vault'\npassword = 'VAULT'",
        "backup.offsite",
        "there is no database and no persistent folder that could be kept",
        "remove it",
    ),
    "a timer has a time of systemd's": (
        "[env]\nrequired = ['VAULT']\n[persistent]\nfolders = ['media']\n"
        "[backup.offsite]\nrepository = '/mnt/vault'\npassword = 'VAULT'\nschedule = 'daily # 3'",
        "backup.offsite.schedule",
        "'daily # 3' is no time of systemd's",
        'as in "daily" or "*-*-* 03:30" (systemd.time)',
    ),
    "a spare port needs a port": (
        "[processes.w]\ncommand = 'x'\nspare_port = 8011\n[processes.v]\ncommand = 'x {{ socket }}'",
        "processes.w.spare_port",
        "is a second port, and there is no first one",
        "as in port = 8001",
    ),
    "a command takes the port that is its turn": (
        "[processes.w]\ncommand = 'x :8001'\nport = 8001\nspare_port = 8011\n"
        "[site]\ndomains = ['a.test']\nproxy = { '/' = 'w' }",
        "processes.w.spare_port",
        "has no effect: the command does not say {{ port }}",
        "write {{ port }} for its port",
    ),
    "a spare port is for a process behind the web server": (
        "[processes.w]\ncommand = 'x {{ port }}'\nport = 8001\nspare_port = 8011\n"
        "[processes.v]\ncommand = 'x {{ socket }}'\n[site]\ndomains = ['a.test']\nproxy = { '/' = 'v' }",
        "processes.w.spare_port",
        "is for a process of site.proxy",
        "it is for one that the web server passes requests on to",
    ),
    "a web server elsewhere does not know which port is the one that serves": (
        "[processes.w]\ngroups = ['data']\ncommand = 'x {{ port }}'\nport = 8001\nspare_port = 8011\n"
        "[site]\ngroups = ['web']\ndomains = ['a.test']\nproxy = { '/' = 'w' }\n"
        "[hosts.web1]\ngroups = ['web']\n[hosts.data1]\ngroups = ['data']",
        "processes.w.spare_port",
        "cannot be: the web server of web1 reaches it by its port alone",
        "remove it; of several backends, each is taken out meanwhile",
    ),
    "a spare port is nobody else's": (
        "[processes.w]\ncommand = 'x {{ port }}'\nport = 8001\nspare_port = 8011\n"
        "[processes.v]\ncommand = 'x'\nport = 8011\n"
        "[site]\ndomains = ['a.test']\nproxy = { '/' = 'w' }",
        "processes.v.port",
        "processes.w has port 8011 on web1 already",
        "",
    ),
    "a passphrase does not stand in the file": (
        "[volumes.logs]\ndevice = '/dev/xvdc'\nmount = '/mnt/logs'\npassphrase = 'open sesame'",
        "volumes.logs.passphrase",
        "a password stands in this file",
        'as in "{{ secrets.LOGS_PASSWORD }}", with LOGS_PASSWORD in env.generated',
    ),
    "a volume takes no folder of the system": (
        "[env]\nrequired = ['P']\n[volumes.a]\ndevice = '/dev/xvdc'\nmount = '/var'\npassphrase = '{{ secrets.P }}'",
        "volumes.a.mount",
        "/var cannot be where a volume is mounted",
        "a folder of its own, as in /mnt/logs; letters, digits and . _ -",
    ),
    "two volumes on one device are told apart": (
        "[env]\nrequired = ['P']\n[volumes.a]\ndevice = '/dev/xvdc'\nmount = '/mnt/a'\npassphrase = '{{ secrets.P }}'\n"
        "[volumes.b]\ndevice = '/dev/xvdc'\nmount = '/mnt/b'\npassphrase = '{{ secrets.P }}'",
        "volumes.b.device",
        "volumes.a has /dev/xvdc on web1 as well",
        "",
    ),
    "conda brings its own interpreter": (
        "[python]\nconda = 'environment.yml'\ninterpreter = '3.11'",
        "python.interpreter",
        "comes from conda",
        "write python=3.x into its file, or remove it",
    ),
    "a lock file cannot stand beside an environment file of conda": (
        "[python]\nconda = 'environment.yml'\nlock = 'uv.lock'",
        "python.lock",
        "cannot be used beside python.conda",
        "remove one of the two",
    ),
    "who installs conda's packages needs a file of conda": (
        "[python]\nconda_packages = 'uv'",
        "python.conda_packages",
        "needs python.conda",
        'as in conda = "environment.yml"',
    ),
    "a program of conda that installs nothing is named": (
        "[python]\nconda = 'environment.yml'\nconda_packages = 'skip'\nconda_program = '/opt/mamba'",
        "python.conda_program",
        "is not used: conda installs nothing",
        "remove it",
    ),
    "a file for clients holds no secret": (
        "[env]\nrequired = ['KEY']\n[[local]]\npath = 'a'\ncontent = '{{ secrets.KEY }}'",
        "local[0].content",
        "a secret in a file for clients is a secret no more",
        "remove it",
    ),
    "a file for clients has one source": (
        "[[local]]\npath = 'a'",
        "local[0]",
        "needs either template or content",
        "",
    ),
    "a file for clients that is no JSON has no sample": (
        "[[local]]\npath = 'a.ini'\ncontent = 'a'\nsample = 'a.ini.sample'",
        "local[0]",
        "has a sample, which is for a path that ends in .json",
        "remove sample",
    ),
    "a file for clients has new keys beyond a sample only": (
        "[[local]]\npath = 'a.json'\ncontent = '{}'\nnew_keys = true",
        "local[0]",
        "has new_keys, which is for a sample",
        "remove new_keys",
    ),
    "an unknown key is answered with the nearest one": (
        APP + 'brnch = "main"',
        "app.brnch",
        "unknown key",
        "did you mean branch?",
    ),
    "an unknown key that is near to nothing is answered with all keys": (
        "[persistent]\nzzz = 1",
        "persistent.zzz",
        "unknown key",
        "keys here: folders",
    ),
    "an unknown table is answered with the nearest one": (
        "[process.web]\ncommand = 'x'",
        "process",
        "unknown key",
        "did you mean processes?",
    ),
    "a misspelled extends is answered": ("extend = 'a.toml'", "extend", "unknown key", "did you mean extends?"),
    "an unknown key in a nested table is found": (
        WEB + "health = { pth = '/' }",
        "processes.web.health.pth",
        "unknown key",
        "did you mean path?",
    ),
    "an unknown key in a list of tables is found": (
        "[[files]]\npath = 'a'\ncontent = 'b'\nvalidat = 'json'",
        "files[0].validat",
        "unknown key",
        "did you mean validate?",
    ),
    "the name of the environment is no key": ("name = 'shop'", "name", "unknown key", "keys here: app, python"),
    "a format is for a secret that is generated": (
        "[env]\nrequired = ['A']\nformats = { A = 'hex' }",
        "env.formats.A",
        "A is no generated secret",
        "list it in env.generated",
    ),
    "a format is one of a few": (
        "[env]\ngenerated = ['A']\nformats = { A = 'md5' }",
        "env.formats.A",
        'must be one of token, hex, sha256, uuid, base64, alphanumeric, not "md5"',
        "",
    ),
    "two certificates cannot be one file": (
        CERTIFICATES + "files = { key = 'a.crt' }",
        "certificates.a.files.key",
        "certificates.a.files.certificate is called a.crt as well",
        "choose another name",
    ),
    "a certificate is for some name": (
        "[certificates.a]\ncertificate = 'a'\nkey = 'b'\nnames = []",
        "certificates.a.names",
        "must not be empty",
        "",
    ),
    "a certificate restarts processes that are there": (
        WEB + CERTIFICATES + "restart = ['wbe']",
        "certificates.a.restart[0]",
        "there is no process 'wbe'",
        "did you mean web?",
    ),
    "the folder of certificates is theirs": (
        CERTIFICATES + "[persistent]\nfolders = ['certs/mine']",
        "persistent.folders[0]",
        "certs/mine: the folder certs is for what [certificates] says",
        "choose another name",
    ),
    "the folder of certificates is no link": (
        APP + "source = 'certs'\n" + CERTIFICATES,
        "app.source",
        "the folder certs is for what [certificates] says",
        "choose another name",
    ),
    "a fallback is for files of one's own": (
        "[site]\ndomains = ['a.test']\nfallback = 'self-signed'",
        "site.fallback",
        'is not used with tls = "self-signed"',
        "remove it",
    ),
    "an authority is for a process that speaks TLS": (
        WEB + "health = { ca = '/etc/ca.pem' }",
        "processes.web.health.ca",
        "is for a process that speaks TLS",
        "add tls = true, or remove it",
    ),
    "a process cannot wait for one that is not there": (
        WEB + "after = ['wbe']",
        "processes.web.after[0]",
        "there is no process 'wbe'",
        "did you mean web?",
    ),
    "a process cannot wait for itself": (
        WEB + "after = ['web']",
        "processes.web.after[0]",
        "web waits for web in turn",
        "remove one of the two",
    ),
    "a redirect from some networks only has no meaning": (
        "[[firewall.rules]]\nports = [80]\nto = 81\nfrom_networks = ['10.0.0.0/8']",
        "firewall.rules[0]",
        "is a redirect, and says from where",
        "make it two rules",
    ),
    "a range of ports that goes backwards": (
        "[[firewall.rules]]\nports = ['90-80']",
        "firewall.rules[0].ports[0]",
        "'90-80' is neither a port nor a range of ports",
        'as in 443 or "40000-41000"',
    ),
    "a settings file has one source": (
        "[[settings]]\npath = 'a.json'\ntemplate = 'a.j2'\nvalues = { a = 1 }",
        "settings[0]",
        "has both values and a template",
        "remove one of the two",
    ),
    "a value that no settings file can hold": (
        "[[settings]]\npath = 'a.json'\nvalues = { a = 2020-01-01 }",
        "settings[0].values",
        "a date is not what a settings file can hold",
        "text, numbers, lists and tables",
    ),
    "a database of SQLite must survive a release": (
        "[backup]\nsqlite = ['db.sqlite3']\n[persistent]\nfolders = ['data']",
        "backup.sqlite[0]",
        "db.sqlite3 lies in no persistent folder",
        "folders: data",
    ),
    "two files of one name would share their backups": (
        "[backup]\nsqlite = ['data/main/db.sqlite3', 'data/jobs/db.sqlite3']\n[persistent]\nfolders = ['data']",
        "backup.sqlite[1]",
        "data/jobs/db.sqlite3 would be called db, as data/main/db.sqlite3 is",
        'give one, as in backup.names = { "data/jobs/db.sqlite3" = "data_jobs_db" }',
    ),
    "a file is called by its name up to the first dot": (
        "[backup]\nsqlite = ['data/shop.v1.sqlite3', 'data/shop.v2.sqlite3']\n[persistent]\nfolders = ['data']",
        "backup.sqlite[1]",
        "data/shop.v2.sqlite3 would be called shop, as data/shop.v1.sqlite3 is",
        'give one, as in backup.names = { "data/shop.v2.sqlite3" = "data_shop_v2" }',
    ),
    "a file may be called as no database of a server is": (
        "[backup]\nsqlite = ['data/shop.sqlite3']\n[persistent]\nfolders = ['data']\n[env]\nrequired = ['P']\n"
        "[services.postgresql.databases.shop]\nowner = 'shop'\npassword = '{{ secrets.P }}'",
        "backup.sqlite[0]",
        "data/shop.sqlite3 would be called shop, as the database of services.postgresql is",
        'give one, as in backup.names = { "data/shop.sqlite3" = "data_shop" }',
    ),
    "a hidden file has no name before its dot": (
        "[backup]\nsqlite = ['data/.hidden.db']\n[persistent]\nfolders = ['data']",
        "backup.sqlite[0]",
        "data/.hidden.db would be called '', which is no name for a database",
        'give one, as in backup.names = { "data/.hidden.db" = "data_hidden" }',
    ),
    "a name is for a file that is saved": (
        "[backup]\nsqlite = ['data/a.db']\nnames = { 'data/A.db' = 'x' }\n[persistent]\nfolders = ['data']",
        'backup.names."data/A.db"',
        "data/A.db is not in backup.sqlite",
        "did you mean data/a.db?",
    ),
    "a backup needs a database": (
        "[backup]\nbefore_migrate = true",
        "backup.before_migrate",
        "there is no database that could be saved",
        "remove it",
    ),
    "a missing key is named with what it is for": (
        "[app]\nname = 'shop'",
        "app.repo",
        "is missing",
        "Where the code comes from: an address for git",
    ),
    "a package beside a repository": (
        APP + "package = 'shop'",
        "app.package",
        "cannot stand beside app.repo",
        "remove one of the two",
    ),
    "a package with its version in its name": (
        "[app]\nname = 'shop'\npackage = 'shop==1.0'",
        "app.package",
        "'shop==1.0' names a version",
        'write package = "shop", and the version in app.version',
    ),
    "a package with its extras in its name": (
        "[app]\nname = 'shop'\npackage = 'shop[redis]'",
        "app.package",
        "'shop[redis]' names extras",
        'write package = "shop", and the extras in python.extras',
    ),
    "a range of versions": (
        "[app]\nname = 'shop'\npackage = 'shop'\nversion = '>=1.0'",
        "app.version",
        "'>=1.0' is no version of a package",
        'exactly one, as in "2025.1.0"',
    ),
    "a version without a package": (APP + "version = '1.0'", "app.version", "is for a package", "branch is for"),
    "a branch of a package": (
        "[app]\nname = 'shop'\npackage = 'shop'\nbranch = 'main'",
        "app.branch",
        "is for a repository",
        "version is for a package",
    ),
    "a lock file of a package": (
        "[app]\nname = 'shop'\npackage = 'shop'\n[python]\nlock = 'uv.lock'",
        "python.lock",
        "is for files of the code, and a package brings none",
        "python.packages lists more packages",
    ),
    "a patch of a package": (
        "[app]\nname = 'shop'\npackage = 'shop'\n[[patches]]\npath = 'a'\nold = 'b'\nnew = 'c'",
        "patches[0]",
        "is for files of a repository, and a package brings none",
        "",
    ),
    "a sample in the files of a package": (
        "[app]\nname = 'shop'\npackage = 'shop'\n[[settings]]\npath = 'a.json'",
        "settings[0].sample",
        "a.json.sample would lie in the code, and a package brings no files",
        "[[files]] with a template writes the whole file",
    ),
    "a string for a port": (
        WEB.replace("{{ socket }}", "x") + "port = '8001'",
        "processes.web.port",
        "must be a whole number, not a string",
        "write port = 8001",
    ),
    "a flag for a number": (APP + "keep = true", "app.keep", "must be a whole number, not true or false", ""),
    "a number for a flag": (APP + "push = 1", "app.push", "must be true or false, not a whole number", ""),
    "a string for a flag": (
        APP + "push = 'yes'",
        "app.push",
        "must be true or false, not a string",
        "write push = true",
    ),
    "a number for a string": (
        APP + "branch = 5",
        "app.branch",
        "must be a string, not a whole number",
        'write branch = "5"',
    ),
    "a number for a variable": (
        "[env.variables]\nWORKERS = 4",
        "env.variables.WORKERS",
        "must be a string, not a whole number",
        'write WORKERS = "4"',
    ),
    "a string for a list": (
        "[release]\nbuild = 'make'",
        "release.build",
        "must be a list, not a string",
        'write build = ["make"]',
    ),
    "a number in a list of strings": (
        "[env]\nrequired = ['A', 2]",
        "env.required[1]",
        "must be a string, not a whole number",
        'write "2"',
    ),
    "a string for a table": ("site = 'x'", "site", "must be a table, not a string", ""),
    "a list of tables for a table": (
        "[[site]]\ndomains = ['a']",
        "site",
        "must be a table, not a list",
        "write [site] instead of [[site]]",
    ),
    "a date": (APP + "branch = 2024-01-01", "app.branch", "must be a string, not a date or time", ""),
    "a word that is none of the choices": (
        WEB + "manager = 'supervisord'",
        "processes.web.manager",
        'must be one of systemd, supervisor, not "supervisord"',
        "did you mean supervisor?",
    ),
    "a port out of range": (
        WEB.replace("{{ socket }}", "x") + "port = 70000",
        "processes.web.port",
        "must be at most 65535, not 70000",
        "",
    ),
    "fewer releases than a rollback needs": (APP + "keep = 1", "app.keep", "must be at least 2, not 1", ""),
    "a name with capital letters": (
        "[app]\nname = 'Shop'\nrepo = './x'",
        "app.name",
        "'Shop' is not allowed here",
        "lower-case letters, digits and -, a letter first",
    ),
    "a user name that Unix does not take": (
        APP + f"user = '{'x' * 33}'",
        "app.user",
        f"'{'x' * 33}' is 33 characters long",
        "at most 32",
    ),
    "the application as root": (APP + "user = 'root'", "app.user", "the application must not run as root", ""),
    "a relative root": (APP + "root = 'srv/x'", "app.root", "'srv/x' is not an absolute path", "start it with /"),
    "a root with a way up": (APP + "root = '/srv/../x'", "app.root", "must not contain '..'", ""),
    "a system folder as root": (
        APP + "root = '/srv'",
        "app.root",
        "/srv cannot be the application's own folder",
        "as in /srv/shop",
    ),
    "a root that the service user cannot reach": (
        APP + "root = '/root/shop'",
        "app.root",
        "/root/shop cannot be the application's own folder",
        "as in /srv/shop",
    ),
    "a link named as a folder of ours": (
        APP + "source = 'releases'",
        "app.source",
        "'releases' is a folder that Hawser needs under /srv/shop",
        "",
    ),
    "one name for two links": (APP + "source = 'env'", "app.environment", "has the same name as app.source", ""),
    "a password in the address of the repository": (
        "[app]\nname = 'shop'\nrepo = 'https://me:pw@git.example.org/x'",
        "app.repo",
        "contains a password",
        "put it into the secrets and name it in app.token",
    ),
    "a repository that git would take for an option": (
        "[app]\nname = 'shop'\nrepo = '--upload-pack=x'",
        "app.repo",
        "'--upload-pack=x' is neither an address of a repository nor a path",
        "",
    ),
    "a branch that git would take for an option": (
        APP + "branch = '-x'",
        "app.branch",
        "'-x' is no name of a branch, tag or commit",
        "",
    ),
    "a token for SSH": (
        "[app]\nname = 'shop'\nrepo = 'git@git.example.org:x'\ntoken = 'T'",
        "app.token",
        "is for a repository at https://",
        "deploy_key is for SSH",
    ),
    "a deploy key for HTTPS": (
        APP + "deploy_key = 'K'",
        "app.deploy_key",
        "is for a repository reached over SSH",
        "token is for HTTPS",
    ),
    "a local path that is not pushed": (
        "[app]\nname = 'shop'\nrepo = './x'\npush = false",
        "app.push",
        "must be true: hosts cannot reach a path on this machine",
        "",
    ),
    "a host key that is none": (
        APP + "repo_host_keys = ['ssh-ed25519']",
        "app.repo_host_keys[0]",
        "is not a public host key",
        'as `ssh-keyscan` prints it, without the host: "ssh-ed25519 AAAA…"',
    ),
    "a host key of another type than it says": (
        '[hosts.web1]\nhost_key = "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"',
        "hosts.web1.host_key",
        "is not a public host key: it calls itself 'ssh-rsa', and its data says otherwise",
        'as `ssh-keyscan` prints it, without the host: "ssh-ed25519 AAAA…"',
    ),
    "a secret that is no name": (
        "[app]\nname = 'shop'\nrepo = 'https://x.test/y'\ntoken = 'my token'",
        "app.token",
        "'my token' is not allowed here",
        "the name of a secret: letters, digits and _",
    ),
    "an interpreter that is neither version nor path": (
        "[python]\ninterpreter = 'python3'",
        "python.interpreter",
        "'python3' is neither a version nor an absolute path",
        'as in "3.11" or "/usr/bin/python3.11"',
    ),
    "two sources of requirements": (
        "[python]\nlock = 'uv.lock'\nrequirements = ['r.txt']",
        "python.requirements",
        "cannot be used beside python.lock",
        "remove one of the two",
    ),
    "a lock file of another tool": (
        "[python]\nlock = 'poetry.lock'",
        "python.lock",
        "'poetry.lock' is no lock file that Hawser knows",
        "uv.lock, pylock.toml",
    ),
    "extras without a uv.lock": (
        "[python]\nrequirements = ['r.txt']\nextras = ['x']",
        "python.extras",
        "is for a uv.lock",
        'add lock = "uv.lock", or remove it',
    ),
    "a variable with a dash": (
        "[env.variables]\nA-B = 'x'",
        "env.variables.A-B",
        "'A-B' is not allowed here",
        "letters, digits and _, no digit first",
    ),
    "a NUL character": (
        '[env.variables]\nA = "x\\u0000"',
        "env.variables.A",
        "contains a NUL character, which no file, environment or argument can carry",
        "",
    ),
    "a secret listed twice": ("[env]\nrequired = ['A', 'A']", "env.required", "'A' stands here twice", ""),
    "a secret both required and generated": (
        "[env]\nrequired = ['A']\ngenerated = ['A']",
        "env.generated[0]",
        "A is required as well",
        "list it once",
    ),
    "a dotenv key that is nothing": (
        "[env]\ndotenv = '.env'\ndotenv_keys = ['DATABSE_URL']\nvariables = { DATABASE_URL = 'x' }",
        "env.dotenv_keys[0]",
        "DATABSE_URL is neither a variable nor a secret",
        "did you mean DATABASE_URL?",
    ),
    "a variable for a dotenv file that is not written": (
        "[env]\ndotenv_variable = 'D'",
        "env.dotenv_variable",
        "needs env.dotenv",
        'as in dotenv = ".env"',
    ),
    "Jinja2 that is not closed": (
        "[env.variables]\nA = '{{ x'",
        "env.variables.A",
        "Jinja2 cannot read it: unexpected end of template, expected 'end of print statement'.",
        "text that must keep its {{, {% or {# goes between {% raw %} and {% endraw %}",
    ),
    "Jinja2 that is not closed in a command": (
        "[release]\ncheck = ['make {% if %}']",
        "release.check[0]",
        "Jinja2 cannot read it: Expected an expression, got 'end of statement block'",
        "text that must keep its {{, {% or {# goes between {% raw %} and {% endraw %}",
    ),
    "a secret in Jinja2 that is not listed": (
        "[env]\nrequired = ['DB_PASSWORD']\n[env.variables]\nA = '{{ secrets.DB_PASWORD }}'",
        "env.variables.A",
        "the secret DB_PASWORD is not listed",
        "did you mean DB_PASSWORD?",
    ),
    "a secret in Jinja2 when none is listed": (
        "[env.variables]\nA = '{{ secrets[\"KEY\"] }}'",
        "env.variables.A",
        "the secret KEY is not listed",
        "list it in env.required or env.generated",
    ),
    "a group in Jinja2 that has no hosts": (
        HOSTS + "[env.variables]\nA = '{{ group(\"dta\")[0].address }}'",
        "env.variables.A",
        "no host is in the group 'dta'",
        "did you mean data?",
    ),
    "a secret in a command that asks whether something was done": (
        "[env]\nrequired = ['A']\n[once.admin]\ncommand = 'x'\nunless = 'y {{ secrets.A }}'",
        "once.admin.unless",
        "a secret in a command is shown to everyone by `ps`",
        "put it into env.variables, and let the program read it there",
    ),
    "a secret in a command": (
        "[env]\nrequired = ['KEY']\n[release]\nbuild = ['make KEY={{ secrets.KEY }}']",
        "release.build[0]",
        "a secret in a command is shown to everyone by `ps`",
        "put it into env.variables, and let the program read it there",
    ),
    "an empty command": (
        "[processes.web]\ncommand = ' '\nsocket = true",
        "processes.web.command",
        "must not be empty",
        "",
    ),
    "a command of two lines": ('[release]\nmigrate = "a\\nb"', "release.migrate", "must be a single line", ""),
    "a command with an open quote": (
        WEB.replace("gunicorn", "gunicorn 'x"),
        "processes.web.command",
        "its quotes do not fit: no closing quotation",
        "",
    ),
    "a command that wants a shell": (
        WEB.replace("gunicorn", "cd x && gunicorn"),
        "processes.web.command",
        "is started without a shell",
        "as in sh -c 'exec … | …', and see directory",
    ),
    "a batch that is no share": (
        "[release]\nbatch = '200%'",
        "release.batch",
        "'200%' is neither a number of hosts nor a share of them",
        'as in 1 or "50%"',
    ),
    "a canary that is nobody": (
        HOSTS + "[release]\ncanary = 'wbe'",
        "release.canary",
        "'wbe' is neither a group nor a host",
        "did you mean web?",
    ),
    "a hook without a moment": (
        HOSTS + "[[hooks]]\ncommand = 'true'",
        "hooks[0]",
        "needs either before or after",
        "",
    ),
    "a hook here for some hosts": (
        HOSTS + "[[hooks]]\nbefore = 'switch'\ncommand = 'true'\non = 'here'\ngroups = ['web']",
        "hooks[0].groups",
        'is for on = "hosts", not "here"',
        "remove it",
    ),
    "pending without migrate": (
        HOSTS + "[release]\npending = 'flask db pending'",
        "release.pending",
        "says what migrate would do, and there is no migrate",
        "remove it",
    ),
    "after_migrate without migrate": (
        HOSTS + "[release]\nafter_migrate = 'flask reindex'",
        "release.after_migrate",
        "comes after migrate, and there is no migrate",
        "put it into build, or a hook",
    ),
    "a leader that is nobody": (
        HOSTS + "[release]\nleader = 'wbe'",
        "release.leader",
        "'wbe' is neither a group nor a host",
        "did you mean web?",
    ),
    "a group without hosts": (
        HOSTS + WEB + "groups = ['web', 'worker']\n[site]\ndomains = ['a.test']\ngroups = ['web']",
        "processes.web.groups[1]",
        "no host is in the group 'worker'",
        'add it to a host: groups = ["worker"]',
    ),
    "a misspelled group": (
        HOSTS + "[cron.x]\nschedule = '@daily'\ncommand = 'x'\ngroups = ['dta']",
        "cron.x.groups[0]",
        "no host is in the group 'dta'",
        "did you mean data?",
    ),
    "a host where a group is wanted": (
        "[cron.x]\nschedule = '@daily'\ncommand = 'x'\ngroups = ['web1']",
        "cron.x.groups[0]",
        "no host is in the group 'web1'",
        "web1 is a host; give it a group",
    ),
    "packages for a group without hosts": (
        "[packages]\ndb = ['postgresql']",
        "packages.db",
        "no host is in the group 'db'",
        'add it to a host: groups = ["db"]',
    ),
    "clients without hosts": (
        "[env]\nrequired = ['P']\n[services.redis]\npassword = '{{ secrets.P }}'\nclients = ['api']",
        "services.redis.clients[0]",
        "no host is in the group 'api'",
        'add it to a host: groups = ["api"]',
    ),
    "socket and port": (
        WEB + "socket = true\nport = 8001",
        "processes.web.port",
        "cannot be used beside socket",
        "remove one of the two",
    ),
    "a command that wants the port of a process that has none": (
        WEB.replace("{{ socket }}", "{{ port }}") + "socket = true",
        "processes.web.command",
        "says {{ port }}, but the process has none",
        "as in port = 8001",
    ),
    "a command that wants the socket of a process that has none": (
        WEB + "socket = false\nport = 8001",
        "processes.web.command",
        "says {{ socket }}, but the process has none",
        "write socket = true",
    ),
    "several of a process that listens": (
        WEB + "count = 2",
        "processes.web.count",
        "must be 1 for a process with a socket or port",
        "let the program itself start more workers",
    ),
    "several of a single process": (
        WEB + "[processes.beat]\ncommand = 'x'\nsingle = true\ncount = 2",
        "processes.beat.count",
        "must be 1 for a process that is single",
        "",
    ),
    "health of a process that does not listen": (
        WEB + "[processes.beat]\ncommand = 'x'\nhealth = {}",
        "processes.beat.health",
        "is for a process with a socket or port",
        "without one, command and timeout are all that it may have",
    ),
    "health of a process that does not listen, with more than a command": (
        WEB + "[processes.beat]\ncommand = 'x'\nhealth = { command = 'x', path = '/' }",
        "processes.beat.health",
        "is for a process with a socket or port",
        "without one, command and timeout are all that it may have",
    ),
    "a name that ends like a colour": (
        WEB + "[processes.x-green]\ncommand = 'x'",
        "processes.x-green",
        "a name must not end with -blue or -green",
        "Hawser tells the two colours of a process so",
    ),
    "a name that ends like one of several": (
        WEB + "[processes.w]\ncommand = 'x'\ncount = 2\n[processes.w-2]\ncommand = 'x'",
        "processes.w-2",
        "a number at the end stands for one of several w",
        "choose another name",
    ),
    "a name of a process that no unit can have": (
        WEB + "[processes.'a b']\ncommand = 'x'",
        'processes."a b"',
        "'a b' is not allowed here",
        "lower-case letters, digits, - and _, a letter first",
    ),
    "a socket whose path is too long": (
        APP + f"root = '/srv/{'x' * 90}'",
        "processes.web",
        f"the path of its socket is too long: /srv/{'x' * 90}/run/web-green.sock has 114 of 103 bytes",
        "shorten app.root or the name",
    ),
    "a status that HTTP does not have": (
        WEB + "health = { status = [700] }",
        "processes.web.health.status[0]",
        "700 is no HTTP status",
        'as in 200 or "200-399"',
    ),
    "a port that another process has": (
        WEB + "[processes.a]\ncommand = 'x'\nport = 8001\n[processes.b]\ncommand = 'x'\nport = 8001",
        "processes.b.port",
        "processes.a has port 8001 on web1 already",
        "",
    ),
    "a port that the site has": (
        WEB + "[processes.a]\ncommand = 'x'\nport = 443",
        "processes.a.port",
        "site has port 443 on web1 already",
        "",
    ),
    "a port that a service has": (
        WEB + "[processes.a]\ncommand = 'x'\nport = 6379\n[services.redis]",
        "processes.a.port",
        "services.redis has port 6379 on web1 already",
        "",
    ),
    "a schedule with too many fields": (
        "[cron.x]\nschedule = '* * * * * root'\ncommand = 'x'",
        "cron.x.schedule",
        "a schedule has five fields, this one has 6",
        "minute, hour, day of the month, month, day of the week, as in */10 * * * *; or @daily; the user is a key of "
        "its own: user",
    ),
    "a file without a text": ("[[files]]\npath = 'a'", "files[0]", "needs either template or content", ""),
    "a file with two texts": (
        "[[files]]\npath = 'a'\ntemplate = 'a'\ncontent = 'a'",
        "files[0]",
        "needs either template or content",
        "remove one of the two",
    ),
    "a mode that is a number": (
        "[[files]]\npath = 'a'\ncontent = 'a'\nmode = 640",
        "files[0].mode",
        "640 is not a file mode",
        'octal digits in quotes, as in "0640"',
    ),
    "a mode that is not octal": (
        "[[files]]\npath = 'a'\ncontent = 'a'\nmode = '0980'",
        "files[0].mode",
        "'0980' is not a file mode",
        'octal digits in quotes, as in "0640"',
    ),
    "a validation that does not exist": (
        "[[files]]\npath = 'a'\ncontent = 'a'\nvalidate = 'jsn'",
        "files[0].validate",
        "'jsn' is no validation that Hawser knows",
        "did you mean json?",
    ),
    "a restart of nothing": (
        "[[files]]\npath = 'a'\ncontent = 'a'\nrestart = ['wb']",
        "files[0].restart[0]",
        "there is no process 'wb'",
        "did you mean web?",
    ),
    "a template outside of the templates": (
        "[[files]]\npath = 'a'\ntemplate = '../a'",
        "files[0].template",
        "must not contain '..'",
        "",
    ),
    "two texts for one file": (
        "[[files]]\npath = 'a'\ncontent = 'a'\n[[files]]\npath = 'a'\ncontent = 'b'",
        "files[1].path",
        "files[0] writes a on web1 as well",
        "",
    ),
    "a persistent folder inside of a release": (
        "[persistent]\nfolders = ['source/media']",
        "persistent.folders[0]",
        "'source/media' does not survive a release: Hawser manages source itself",
        "name a folder beside it",
    ),
    "an absolute persistent folder": (
        "[persistent]\nfolders = ['/data']",
        "persistent.folders[0]",
        "'/data' is an absolute path",
        "write it without the leading / or ~",
    ),
    "a site without a domain": (
        "[site]\ndomains = []",
        "site.domains",
        "must not be empty",
        "",
    ),
    "a domain that is a URL": (
        "[site]\ndomains = ['https://a.test']",
        "site.domains[0]",
        "'https://a.test' is not a domain",
        "as in www.example.org or *.example.org, without https:// and path",
    ),
    "a domain with umlauts": (
        "[site]\ndomains = ['bücher.test']",
        "site.domains[0]",
        "'bücher.test' is not written as DNS has it",
        "write xn--bcher-kva.test",
    ),
    "a URL path without a slash": (
        "[site]\ndomains = ['a.test']\nproxy = { 'x' = 'web' }",
        "site.proxy.x",
        "'x' is not the beginning of a URL path",
        'as in "/" or "/static/"',
    ),
    "requests for a process that is not there": (
        "[site]\ndomains = ['a.test']\nproxy = { '/' = 'wbe' }",
        'site.proxy."/"',
        "there is no process 'wbe'",
        "did you mean web?",
    ),
    "requests for a process that does not listen": (
        WEB + "[processes.beat]\ncommand = 'x'\n[site]\ndomains = ['a.test']\nproxy = { '/' = 'beat' }",
        'site.proxy."/"',
        "the process beat has neither socket nor port",
        "",
    ),
    "requests for a socket on another host": (
        HOSTS + WEB + "groups = ['web']\n[site]\ndomains = ['a.test']\ngroups = ['data']",
        'site.proxy."/"',
        "web listens on a Unix socket and does not run on data1, where the site is",
        "site.groups and its groups must agree",
    ),
    "a site that nobody answers": (
        "[processes.beat]\ncommand = 'x'",
        "site.proxy",
        "is missing: no process has a socket or port",
        "let one listen on unix:{{ socket }}",
    ),
    "a site that several could answer": (
        WEB + "[processes.api]\ncommand = 'x {{ socket }}'",
        "site.proxy",
        "is missing: web and api could all answer",
        'as in proxy = { "/" = "web" }',
    ),
    "one URL path for two things": (
        "[site]\ndomains = ['a.test']\nproxy = { '/' = 'web' }\nstatic = { '/' = 'static' }",
        'site.static."/"',
        "site.proxy has the same URL path",
        "",
    ),
    "TLS without a certificate": (
        "[site]\ndomains = ['a.test']\ntls = 'files'\nkey = 'shop.toml'",
        "site.certificate",
        'is missing, and tls = "files" needs it',
        "",
    ),
    "a certificate without TLS": (
        "[site]\ndomains = ['a.test']\nkey = 'shop.toml'",
        "site.key",
        'is not used with tls = "self-signed"',
        'write tls = "files"',
    ),
    "a certificate that is not there": (
        "[site]\ndomains = ['a.test']\ntls = 'files'\nkey = 'shop.toml'\ncertificate = 'certs/a.pem'",
        "site.certificate",
        "there is no file certs/a.pem",
        "the path is relative to the environment file",
    ),
    "one port twice": (
        "[site]\ndomains = ['a.test']\nextra_ports = [80]",
        "site",
        "two of its ports are the same",
        "80, 443, 80",
    ),
    "a service without a place": (
        HOSTS + "[services.redis]",
        "services.redis.groups",
        "must say which of the hosts run it",
        'as in groups = ["data"]',
    ),
    "a password in the file": (
        "[services.postgresql]\ndatabases.my-shop = { password = 'hunter2' }",
        "services.postgresql.databases.my-shop.password",
        "a password stands in this file",
        'as in "{{ secrets.MY_SHOP_PASSWORD }}", with MY_SHOP_PASSWORD in env.generated',
    ),
    "a password of MariaDB in the file": (
        "[services.mariadb]\ndatabases.shop = { password = 'hunter2' }",
        "services.mariadb.databases.shop.password",
        "a password stands in this file",
        'as in "{{ secrets.SHOP_PASSWORD }}", with SHOP_PASSWORD in env.generated',
    ),
    "a role with two passwords": (
        "[env]\nrequired = ['A', 'B']\n[services.postgresql.databases]\n"
        "a = { owner = 'x', password = '{{ secrets.A }}' }\nb = { owner = 'x', password = '{{ secrets.B }}' }",
        "services.postgresql.databases.b.password",
        "the role x has another password in databases.a",
        "",
    ),
    "a role of MariaDB with two passwords": (
        "[env]\nrequired = ['A', 'B']\n[services.mariadb.databases]\n"
        "a = { owner = 'x', password = '{{ secrets.A }}' }\nb = { owner = 'x', password = '{{ secrets.B }}' }",
        "services.mariadb.databases.b.password",
        "the role x has another password in databases.a",
        "",
    ),
    "a database of two servers": (
        "[env]\nrequired = ['A']\n[services.postgresql.databases]\na = { password = '{{ secrets.A }}' }\n"
        "[services.mariadb.databases]\na = { password = '{{ secrets.A }}' }",
        "services.mariadb.databases.a",
        "services.postgresql has a database a as well",
        "choose another name",
    ),
    "a second repository on this machine": (
        "[checkouts.docs]\nrepo = '../docs'",
        "checkouts.docs.repo",
        "is a path on this machine, which hosts cannot reach",
        "as in git@git.example.org:team/docs.git",
    ),
    "a second repository with a token over SSH": (
        "[env]\nrequired = ['T']\n[checkouts.docs]\nrepo = 'git@example.org:docs.git'\ntoken = 'T'",
        "checkouts.docs.token",
        "is for a repository at https://",
        "deploy_key is for SSH",
    ),
    "a second repository with a key over HTTPS": (
        "[env]\nrequired = ['K']\n[checkouts.docs]\nrepo = 'https://example.org/docs.git'\ndeploy_key = 'K'",
        "checkouts.docs.deploy_key",
        "is for a repository reached over SSH",
        "token is for HTTPS",
    ),
    "two repositories at one place": (
        "[checkouts]\na = { repo = 'https://example.org/a.git', path = '/srv/x' }\n"
        "b = { repo = 'https://example.org/b.git', path = '/srv/x' }",
        "checkouts.b.path",
        "checkouts.a has the same path",
        "",
    ),
    "a second repository inside the releases": (
        "[checkouts.a]\nrepo = 'https://example.org/a.git'\npath = '/srv/shop/source/docs'",
        "checkouts.a.path",
        "/srv/shop/source belongs to the application's own releases",
        "name another folder, or leave it out",
    ),
    "a second repository among the working copies": (
        "[checkouts.a]\nrepo = 'https://example.org/a.git'\npath = '/srv/shop/checkouts/b'",
        "checkouts.a.path",
        "/srv/shop/checkouts is where Hawser keeps the working copies themselves",
        "name another folder, or leave it out",
    ),
    "an ACME server without a use": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "acme = { email = 'a@example.org' }",
        "site.acme",
        'is not used with tls = "self-signed"',
        'write tls = "acme"',
    ),
    "ACME on several hosts without a web server that hands questions on": (
        HOSTS + ACME + "server = 'caddy'",
        "site.tls",
        'with caddy, "acme" is for a site on one host, and this one is on web1, data1',
        'server = "nginx", tls = "files", or a load balancer that ends TLS, with extra_ports',
    ),
    "ACME on several hosts with Apache": (
        HOSTS + ACME + "server = 'apache'",
        "site.tls",
        'with apache, "acme" is for a site on one host, and this one is on web1, data1',
        'site.acme.dns, server = "nginx", tls = "files", or a load balancer that ends TLS, with extra_ports',
    ),
    "ACME on more hosts than Let's Encrypt gives certificates for the same names": (
        "[hosts]\n" + "".join(f"web{number} = {{}}\n" for number in range(5)) + ACME,
        "site.tls",
        '"acme" is for 4 hosts at most, and this one is on 5: each gets a certificate of its own, and Let\'s Encrypt '
        "gives five a week for the same names",
        'tls = "files", or a load balancer that ends TLS, with extra_ports',
    ),
    "ACME in DNS with Caddy": (
        ACME + f"server = 'caddy'\n{RFC2136}",
        "site.acme.dns",
        "is for nginx and apache",
        'remove it, or write server = "nginx"',
    ),
    "ACME by a plugin that is none": (
        ACME + "acme = { dns = { plugin = 'cloudfare' } }",
        "site.acme.dns.plugin",
        'must be one of cloudflare, digitalocean, dnsimple, linode, ovh, rfc2136, route53, not "cloudfare"',
        "did you mean cloudflare?",
    ),
    "ACME by a plugin whose hosts would be in each other's way": (
        HOSTS + ACME + "acme = { dns = { plugin = 'route53' } }",
        "site.acme.dns.plugin",
        "route53 is for a site on one host, and this one is on web1, data1: what one host writes takes the place of "
        "what another one waits for",
        'no dns with server = "nginx", another plugin, or tls = "files"',
    ),
    "a time that is of no use to a plugin": (
        ACME + "acme = { dns = { plugin = 'route53', propagation = 5 } }",
        "site.acme.dns.propagation",
        "is of no use: route53 asks its service itself",
        "remove it",
    ),
    "a plugin without its credentials": (
        ACME + "acme = { dns = { plugin = 'cloudflare', credentials = { email = 'ops@example.org' } } }",
        "site.acme.dns.credentials",
        "cloudflare needs api_token or email and api_key",
        "as its documentation says, without dns_NAME_",
    ),
    "a credential that a plugin does not read": (
        ACME + RFC2136.replace("name =", "algoritm = 'HMAC-SHA512', name ="),
        "site.acme.dns.credentials.algoritm",
        "rfc2136 reads no such credential",
        "did you mean algorithm?",
    ),
    "a secret of a plugin in the file itself": (
        ACME + RFC2136.replace("{{ secrets.DNS_SECRET }}", "abc="),
        "site.acme.dns.credentials.secret",
        "a secret stands in this file",
        'as in "{{ secrets.DNS_SECRET }}", with DNS_SECRET in env.required',
    ),
    "ACME for a wildcard": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['*.example.org']\ntls = 'acme'",
        "site.domains[0]",
        "an ACME server gives no certificate for *.example.org over HTTP",
        "name each domain, or site.acme.dns",
    ),
    "ACME with an authority that is not there": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\ntls = 'acme'\n"
        "acme = { ca = 'nowhere.pem' }",
        "site.acme.ca",
        "there is no file nowhere.pem",
        "the path is relative to the environment file",
    ),
    "a port of nginx's with Apache": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nserver = 'apache'\n"
        "tls_proxy = { 7778 = '127.0.0.1:7770' }",
        "site.tls_proxy",
        "is for nginx and caddy",
        'remove it, or write server = "nginx"',
    ),
    "a log format of nginx's with Caddy": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nserver = 'caddy'\n"
        "log_format = '$remote_addr'",
        "site.log_format",
        "is for nginx",
        'remove it, or write server = "nginx"',
    ),
    "a copy of a folder that is none of the persistent ones": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[persistent]\nfolders = ['media']\ncollected = ['static']",
        "persistent.collected[0]",
        "static is not one of persistent.folders",
        "list it there as well",
    ),
    "answers that only nginx holds": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nserver = 'apache'\n"
        "buffering = true",
        "site.buffering",
        "is for nginx",
        'remove it, or write server = "nginx"',
    ),
    "names that only nginx serves without knowing them": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nserver = 'caddy'\n"
        "other_names = true",
        "site.other_names",
        "is for nginx",
        'remove it, or write server = "nginx"',
    ),
    "a protocol that Caddy always speaks": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "server = 'caddy'\nhttp2 = false",
        "site.http2",
        "is for nginx and apache",
        'remove it, or write server = "nginx"',
    ),
    "browsers that are to trust a certificate that nobody knows": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nhsts = { days = 7 }",
        "site.hsts",
        'needs a certificate that browsers trust, and tls = "self-signed" may show another one: '
        "nobody would get past it",
        'tls = "files" without fallback, or "acme"',
    ),
    "a stand-in that browsers would not forgive": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls = 'files'\ncertificate = 'c'\nkey = 'k'\nhsts = { days = 7 }\nfallback = 'self-signed'",
        "site.hsts",
        'needs a certificate that browsers trust, and fallback = "self-signed" may show another one: '
        "nobody would get past it",
        'tls = "files" without fallback, or "acme"',
    ),
    "HTTPS alone without TLS": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls = 'none'\nhsts = { days = 7 }",
        "site.hsts",
        'needs TLS, and tls = "none"',
        "have whatever ends TLS in front send it",
    ),
    "a list of browsers that would not take the site": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls = 'acme'\nhsts = { days = 7, preload = true }",
        "site.hsts.preload",
        "needs subdomains = true and days = 365 or more",
        "as the lists of browsers want it",
    ),
    "a header that would be sent twice": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls = 'acme'\nhsts = { days = 7 }\nextra = 'add_header Strict-Transport-Security max-age=5;'",
        "site.hsts",
        "is sent by lines of site.extra already",
        "remove one of the two",
    ),
    "a time that browsers would not remember": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls = 'acme'\nhsts = { days = 4000 }",
        "site.hsts.days",
        "must be at most 3650, not 4000",
        "",
    ),
    "two certificates that Caddy is to get": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org', 'b.example.org']\n"
        "server = 'caddy'\ntls = 'acme'",
        "site.domains[1]",
        'with tls = "acme", caddy gets a certificate for one name alone',
        'one name, tls = "files", or server = "nginx"',
    ),
    "a port with TLS that the site has": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\n"
        "tls_proxy = { 443 = '127.0.0.1:7770' }",
        "site.tls_proxy.443",
        "the site has port 443 already",
        "",
    ),
    "a link to a folder that does not survive": (
        "[persistent]\nlinked = ['logs']",
        "persistent.linked[0]",
        "logs is not one of persistent.folders",
        "list it there as well",
    ),
    "a patch of what no release has for itself": (
        "[persistent]\nfolders = ['data']\nlinked = ['data']\n[[patches]]\npath = 'data/a/b.py'\nold = 'x'\nnew = 'y'",
        "patches[0].path",
        "data/a/b.py lies in persistent.linked data, which no release has for itself",
        "take data out of persistent.linked",
    ),
    "a section that supervisor does not have": (
        "[processes.web]\ncommand = 'x'\nport = 1\nmanager = 'supervisor'\nextra = { 'Unit.After' = 'x' }",
        'processes.web.extra."Unit.After"',
        "names no section of the manager's file",
        "Unit.KEY or Install.KEY, with systemd; a key of [Service] stands without a section",
    ),
    "a log format with a quote": (
        "[processes.web]\ncommand = 'x'\nport = 1\n[site]\ndomains = ['a.example.org']\nlog_format = \"it's\"",
        "site.log_format",
        "must be one line without ' and without a backslash at its end",
        "",
    ),
    "no hosts": ("hosts = {}", "hosts", "names no host", 'add [hosts.web1] with address = "…"'),
    "a host with dots": (
        "[hosts.'web1.example.org']",
        'hosts."web1.example.org"',
        "'web1.example.org' is not allowed here",
        "letters, digits, - and _ only; the DNS name goes into its address",
    ),
    "an address with a user": (
        "[hosts.web1]\naddress = 'root@10.0.0.1'",
        "hosts.web1.address",
        "'root@10.0.0.1' contains a user",
        "the user is a key of its own: user",
    ),
    "an address with a port": (
        "[hosts.web1]\naddress = '10.0.0.1:2222'",
        "hosts.web1.address",
        "'10.0.0.1:2222' contains a port",
        "the port is a key of its own: port",
    ),
    "one address for two hosts": (
        "[hosts.a]\naddress = '10.0.0.1'\n[hosts.b]\naddress = '10.0.0.1'",
        "hosts.b.address",
        "a has the same address and port",
        "",
    ),
    "a sandbox host with an address": (
        "[hosts.a]\naddress = '10.0.0.1'\nsandbox = true",
        "hosts.a.address",
        "a sandbox host gets its address from the sandbox",
        "remove one of the two",
    ),
    "a group named like a host": (
        "[hosts.web]\n[hosts.web1]\ngroups = ['web']",
        "hosts.web1.groups[0]",
        "'web' is the name of a host and of a group",
        "rename one of the two",
    ),
    "a group named all": (
        "[hosts.web1]\ngroups = ['all']",
        "hosts.web1.groups[0]",
        "'all' stands for every host and cannot be the name of a host or group",
        "",
    ),
    "a host named all": (
        "[hosts.all]",
        "hosts.all",
        "'all' stands for every host and cannot be the name of a host or group",
        "",
    ),
    "a host variable that is a table": (
        "[hosts.web1]\nvars = { a = { b = 1 } }",
        "hosts.web1.vars.a",
        "must be a string, a number, true or false, or a list of these",
        "",
    ),
    "a host variable that is no number": (
        "[hosts.web1]\nvars = { a = nan }",
        "hosts.web1.vars.a",
        "must be a finite number",
        "",
    ),
    "a jump host with a bad port": (
        "[ssh]\njump = 'admin@bastion:0'",
        "ssh.jump",
        "'admin@bastion:0' ends with a port that is not between 1 and 65535",
        "",
    ),
    "a key that could be anywhere": (
        "[ssh]\nkey = 'id_ed25519'",
        "ssh.key",
        "'id_ed25519' could be anywhere",
        "an absolute path, or one that starts with ~/",
    ),
    "a build without commands": (
        "[builds.lib]\ncommands = []",
        "builds.lib.commands",
        "must not be empty",
        "",
    ),
    "a build in an unknown group": (
        "[builds.lib]\ncommands = ['make']\ngroups = ['dta']",
        "builds.lib.groups[0]",
        "no host is in the group 'dta'",
        'add it to a host: groups = ["dta"]',
    ),
    "a secret in what is built": (
        "[builds.lib]\ncommands = ['make']\nenvironment = { KEY = '{{ secrets.KEY }}' }\n[env]\nrequired = ['KEY']",
        "builds.lib.environment.KEY",
        "a secret may not go into a build, which outlives it",
        "read it when the program starts",
    ),
    "a rule in braces": (
        "[[rules]]\nthat = '{{ true }}'\nmessage = 'm'",
        "rules[0].that",
        "is an expression already",
        "write it without {{ and }}",
    ),
    "a rule that Jinja2 cannot read": (
        "[[rules]]\nthat = 'a <'\nmessage = 'm'",
        "rules[0].that",
        "Jinja2 cannot read it: unexpected 'end of template'",
        "",
    ),
    "a share that is mounted in the code": (
        "[shares.media]\npath = '/srv/shop/source/media'\nsource = 'nas:/media'",
        "shares.media.path",
        "/srv/shop/source/media lies in /srv/shop/source, which goes with a release",
        "a folder beside it, as in /srv/shop/media, which `persistent.linked` brings there",
    ),
    "a volume that is mounted among the releases": (
        "[env]\nrequired = ['P']\n[volumes.a]\ndevice = '/dev/xvdc'\nmount = '/srv/shop/releases/a'\n"
        "passphrase = '{{ secrets.P }}'",
        "volumes.a.mount",
        "/srv/shop/releases/a lies in /srv/shop/releases, which goes with a release",
        "a folder beside it, as in /srv/shop/a, which `persistent.linked` brings there",
    ),
    "a share with two servers": (
        "[shares.media]\npath = '/srv/media'\nserver = 'web1'\nsource = 'nas:/media'",
        "shares.media",
        "has both a server and a source",
        "remove one of the two",
    ),
    "a share whose server is nobody": (
        "[shares.media]\npath = '/srv/media'\nserver = 'wbe1'",
        "shares.media.server",
        "'wbe1' stands for 0 hosts, not one",
        "did you mean web1?",
    ),
    "a share on a filesystem that no server exports": (
        "[shares.media]\npath = '/srv/media'\nserver = 'web1'\ntype = 'cifs'",
        "shares.media",
        "has a server, which exports over NFS, and the type cifs",
        'write type = "nfs4"',
    ),
    "a share that is only looked at, with options": (
        "[shares.media]\npath = '/srv/media'\noptions = 'rw'",
        "shares.media",
        "says how to mount it, but not what",
        "add server or source",
    ),
    "a share on itself": (
        "[shares.media]\npath = '/srv/media'\nserver = 'web1'\nfolder = '/srv/media'",
        "shares.media.folder",
        "is where it is mounted as well",
        "two folders: path, and the server's own",
    ),
    "two shares in one place": (
        "[shares.a]\npath = '/srv/media'\n[shares.b]\npath = '/srv/media'",
        "shares.b.path",
        "shares.a is mounted there on web1 as well",
        "",
    ),
    "a share with a blank in its path": (
        "[shares.a]\npath = '/srv/my media'",
        "shares.a.path",
        "/srv/my media has characters that exports and units read in different ways",
        "letters, digits and . _ - / only",
    ),
    "an administrator, and nobody who deploys": (
        "[ssh]\nadmin = 'root'",
        "ssh.admin",
        "on web1 nobody is named who deploys, beside who may do anything",
        'add user = "deploy"',
    ),
    "an administrator who deploys": (
        "[ssh]\nadmin = 'ann'\nuser = 'ann'",
        "ssh.admin",
        "ann is who deploys on web1, and may do anything there",
        "two accounts",
    ),
    "root, who deploys without being an administrator": (
        "[ssh]\nadmin = 'ann'\nuser = 'root'",
        "ssh.admin",
        "root is who deploys on web1, and may do anything there",
        "two accounts",
    ),
    "a package that apt does not know": (
        "[packages]\nall = ['Not A Package']",
        "packages.all[0]",
        "'Not A Package' is not allowed here",
        "a name that apt knows",
    ),
}


@pytest.mark.parametrize(("change", "key", "message", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_file_and_key(complain, change, key, message, hint):
    problems = complain(change)
    assert [(problem.file, problem.key, problem.message) for problem in problems] == [("hosts/shop.toml", key, message)]
    assert problems[0].hint.startswith(hint) if hint else not problems[0].hint


def test_all_mistakes_are_named_at_once(complain):
    problems = complain(
        APP
        + "brnch = 'x'\nkeep = '5'\n"
        + "[processes.web]\ncommand = 'gunicorn {{ socket }}'\ngroups = ['wbe']\nsingl = true\n"
        + "[processes.beat]\ngroups = ['data']\n"
        + "[release]\nleader = 'nobody'\n"
        + HOSTS
    )
    assert [problem.key for problem in problems] == [
        "app.keep",
        "app.brnch",
        "processes.web.singl",
        "processes.beat.command",
        "processes.web.groups[0]",
        "release.leader",
    ]


def test_a_mistake_that_only_follows_from_another_is_not_reported(complain):
    problems = complain("[hosts.web1]\ngroup = ['web']\n[cron.x]\nschedule = '@daily'\ncommand = 'x'\ngroups = ['web']")
    assert [problem.key for problem in problems] == ["hosts.web1.group"]


def test_the_message_about_mistakes_says_that_nothing_happened(complain, folder):
    from hawser.inventory import read_environment

    complain("[persistent]\nfolder = []")
    with pytest.raises(InputErrors) as caught:
        read_environment(folder / "shop.toml")
    assert str(caught.value) == (
        "1 problem, nothing was touched:\n  hosts/shop.toml: persistent.folder: unknown key (did you mean folders?)"
    )


def test_two_ports_of_one_address_are_two_hosts(write):
    from hawser.inventory import read_environment

    read_environment(write(APP + "[hosts.a]\naddress = 'x.test'\n[hosts.b]\naddress = 'x.test'\nport = 2222"))


WORDS = """
name repo groups command port socket health path status proxy static domains web web1 databases users password vars
address files mode content template variables required generated build leader all x
"""
KEYS = "app python env release processes cron files persistent site services packages hosts ssh name extends x"
TEXTS = ["web", "web1", "{{ x }}", "{{ secrets.A }}", "/", "0640", "@daily", "a.test", "{%", "..", "ü"]
LEAVES = st.one_of(
    st.booleans(),
    st.integers(-1, 70000),
    st.floats(),
    st.dates(),
    st.just(datetime.time()),
    st.text(max_size=8),
    st.sampled_from(TEXTS),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from(KEYS.split()), VALUES, max_size=6)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLES)
def test_whatever_stands_in_a_file_is_an_environment_or_a_list_of_problems(folder, table):
    plain = {"app": {"name": "shop", "repo": "./x"}, "hosts": {"web1": {"groups": ["web"]}}}
    try:
        parse("shop", [Document(folder / "shop.toml", {**plain, **table})])
    except InputErrors as errors:
        assert errors.problems
