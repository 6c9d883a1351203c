"""Who answers for which names, as web servers print it."""

from __future__ import annotations

from hawser.runner.webservers import apache_claims, nginx_claims

NGINX = r"""
# configuration file /etc/nginx/nginx.conf:
user www-data;
http {
    upstream web { server unix:/run/web.sock; }
    include /etc/nginx/sites-enabled/*;
}

# configuration file /etc/nginx/sites-enabled/old:
server {
    listen 80 default_server;  # server_name commented.test;
    listen [::]:80;
    listen unix:/run/nginx.sock;
    server_name WWW.shop.test
        "shop.test" ~^(?<tenant>.+)\.shop\.test$;
    location / { if ($host = "x;y{") { return 444; } set $a "${b}"; }
}
server {
    listen 10.0.0.5:8443 ssl;
    server_name .all.test;
}
# configuration file /etc/nginx/conf.d/nameless.conf:
server { return 204; }
"""
APACHE = """\
VirtualHost configuration:
10.213.3.2:443         quay.test (/etc/apache2/sites-enabled/000-old.conf:1)
*:80                   is a NameVirtualHost
         default server unclaimed.quay.invalid (/etc/apache2/sites-enabled/quay.conf:3)
         port 80 namevhost unclaimed.quay.invalid (/etc/apache2/sites-enabled/quay.conf:3)
         port 80 namevhost quay.test (/etc/apache2/sites-enabled/quay.conf:21)
                 alias www.quay.test
                 wild alias *.quay.test
[::1]:8088             is a NameVirtualHost
         port 8088 namevhost old.test (/etc/apache2/sites-enabled/a b.conf:7)
ServerRoot: "/etc/apache2"
"""


def rows(claims):
    return [(each.file, sorted(each.names), sorted(each.ports)) for each in claims if each.names]


def test_server_blocks_of_nginx_are_read_with_their_names_and_ports_whatever_stands_between():
    old, nameless = "/etc/nginx/sites-enabled/old", "/etc/nginx/conf.d/nameless.conf"
    assert rows(nginx_claims(NGINX)) == [
        (old, ["shop.test", "www.shop.test", "~^(?<tenant>.+)\\.shop\\.test$"], [80]),
        (old, ["*.all.test", "all.test"], [8443]),
        (nameless, [""], [80]),
    ]
    assert {each.file for each in nginx_claims(NGINX)} == {"/etc/nginx/nginx.conf", old, nameless}


def test_virtual_hosts_of_apache_are_read_with_their_aliases():
    page = "/etc/apache2/sites-enabled/quay.conf"
    assert rows(apache_claims(APACHE)) == [
        ("/etc/apache2/sites-enabled/000-old.conf", ["quay.test"], [443]),
        (page, ["unclaimed.quay.invalid"], [80]),
        (page, ["*.quay.test", "quay.test", "www.quay.test"], [80]),
        ("/etc/apache2/sites-enabled/a b.conf", ["old.test"], [8088]),
    ]


def test_output_that_is_none_of_a_web_server_claims_nothing():
    for text in ("", "garbage } ; {", "# configuration file /x:\n}}};;{{"):
        assert rows(nginx_claims(text)) == rows(apache_claims(text)) == []
