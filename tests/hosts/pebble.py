"""An ACME server of Debian's on a host, which looks for its answers on port 80 of the name as Let's Encrypt does."""

from __future__ import annotations

# Its arguments: where it listens, and the name server that it asks; by default, for its own host, and that host's.
PEBBLE = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null; apt-get install -q -y --no-install-recommends openssl pebble >/dev/null
mkdir -p /etc/pebble; cd /etc/pebble
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj "/CN=Trial CA" \
    -addext "basicConstraints=critical,CA:TRUE"
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=acme.test"
echo "subjectAltName=DNS:acme.test" > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem
cat > config.json <<END
{"pebble": {"listenAddress": "${1:-127.0.0.1}:14000", "managementListenAddress": "127.0.0.1:15000",
 "certificate": "/etc/pebble/server.pem", "privateKey": "/etc/pebble/server.key", "httpPort": 80, "tlsPort": 443,
 "ocspResponderURL": "", "externalAccountBindingRequired": false}}
END
cat > /etc/systemd/system/pebble.service <<END
[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
ExecStart=/usr/bin/pebble -config /etc/pebble/config.json ${2:+-dnsserver $2}
[Install]
WantedBy=multi-user.target
END
echo "${1:-127.0.0.1} acme.test" >> /etc/hosts
systemctl daemon-reload; systemctl enable -q --now pebble
"""
