#!/bin/bash
# Deploys the site onto its hosts the way a careful engineer does it by hand: one `ssh` per host, all hosts at once, the new
# web process beside the old one.
#
#     SETTINGS=settings.sh bench/peers/lean.sh HOST ...
#
# The settings are a shell file: NAME, REPO, BRANCH, SSH, DOMAIN, UV, INDEX (variables for uv), ENVIRONMENT (lines of
# KEY='value').
set -euo pipefail
source "$SETTINGS"

name=$NAME
root=/srv/$name

# --- What runs on a host; the bundle follows on its standard input ---------------------------------------------------

as_user() { setpriv --reuid "$name" --regid "$name" --clear-groups env HOME=$root/home "$@"; }

in_release() (
    cd "$release/source"
    set -a
    source "$release/environment"
    set +a
    as_user "$@"
)

program_state() { # supervisorctl itself takes 180 ms to start
    curl -sf --unix-socket /run/supervisor.sock -H 'Content-Type: text/xml' http://localhost/RPC2 -d \
        "<methodCall><methodName>supervisor.getProcessInfo</methodName><params><param><value>$1</value></param></params></methodCall>" |
        grep -o 'RUNNING' | head -1
}

serves() {
    [ "$(cat $root/stamp 2>/dev/null)" = "$id" ] || return 1
    live=$(readlink $root/run/web.sock) && program_runs "${live%.sock}" && program_runs worker
}

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "$host: not in time: $*" >&2; return 1; }
        sleep 0.1
    done
}

replace() { # FILE < content
    cat >"$1.new"
    mv "$1.new" "$1"
}

link() { # TARGET LINK
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}

checkout() {
    local mirror=$root/repository.git
    [ -d $mirror ] || git init -q --bare $mirror
    if ! git -C $mirror cat-file -e "$commit" 2>/dev/null; then
        head -c "$bundle_size" >$root/bundle
        git -C $mirror fetch -q $root/bundle '+refs/heads/*:refs/heads/*'
    fi
    rm -rf "$release"
    mkdir -p "$release/source"
    git -C $mirror archive "$commit" | tar -x -C "$release/source"
    chown -R $name:$name "$release/source"
}

environment() {
    local hash
    hash=$({ python3 --version; cat "$release/source/requirements.txt"; } | sha256sum | cut -c1-16)
    env=$root/envs/$hash
    if [ ! -e "$env/.complete" ]; then
        rm -rf "$env"
        local uv=(env $index UV_CACHE_DIR=$root/envs/.cache UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 "$uv_program")
        (
            cd "$release/source"
            as_user "${uv[@]}" venv -q "$env"
            as_user "${uv[@]}" pip install -q --python "$env/bin/python" -r requirements.txt
        )
        touch "$env/.complete"
    fi
    (
        umask 027
        replace "$release/environment" <<END
PATH='$env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
PYTHONUNBUFFERED='1'
HAWSER_RELEASE='$id'
HAWSER_COMMIT='$commit'
$variables
END
        chgrp $name "$release/environment"
    )
    link "$env" "$release/env"
}

start_web() {
    live=$(readlink $root/run/web.sock || true)
    case $live in web-blue.sock) colour=green ;; *) colour=blue ;; esac
    program web-$colour "gunicorn harbour.wsgi --bind unix:$root/run/web-$colour.sock --workers 2 --no-control-socket"
    supervisorctl update "$name-web-$colour" >/dev/null
    wait_for 30 curl -sf -o /dev/null --unix-socket "$root/run/web-$colour.sock" \
        -H "Host: $domain" -H 'X-Forwarded-Proto: https' http://localhost/health/
}

start_worker() {
    program worker "python -c 'import signal; signal.pause()'"
    supervisorctl update "$name-worker" >/dev/null
    wait_for 30 program_runs worker
}

program() { # NAME COMMAND
    printf '#!/bin/sh\nset -a\n. %s\nexec %s\n' "$release/environment" "$2" | replace "$release/$1"
    chmod 755 "$release/$1"
    replace "/etc/supervisor/conf.d/$name-$1.conf" <<END
[program:$name-$1]
command=$release/$1
directory=$release/source
user=$name
autorestart=true
stopasgroup=true
killasgroup=true
stdout_logfile=$root/log/$1.log
redirect_stderr=true
END
}

program_runs() { [ "$(program_state "$name-$1")" ]; }

site() {
    local file=/etc/nginx/sites-enabled/$name.conf
    [ ! -e $file ] || cp $file $root/nginx.before
    replace $file <<END
upstream $name { server unix:$root/run/web.sock fail_timeout=0; }
server {
    listen 80;
    listen [::]:80;
    server_name $domain;
    return 301 https://\$host\$request_uri;
}
server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name $domain;
    access_log $root/log/nginx-access.log;
    error_log $root/log/nginx-error.log;
    ssl_certificate $root/ssl/site.crt;
    ssl_certificate_key $root/ssl/site.key;
    client_max_body_size 10m;
    location /static/ { alias $root/current/source/static/; }
    location / {
        proxy_pass http://$name;
        proxy_set_header Host \$http_host;
        proxy_set_header X-Real-IP \$remote_addr;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$scheme;
    }
}
END
    if ! nginx -tq; then
        if [ -e $root/nginx.before ]; then mv $root/nginx.before $file; else rm $file; fi
        return 1
    fi
    systemctl reload-or-restart nginx
}

cron() {
    replace /etc/cron.d/$name <<END
SHELL=/bin/sh
MAILTO=""
* * * * * $name cd $root/current/source && set -a && . $root/current/environment && systemd-cat -t $name-tick python manage.py tick
END
}

tidy() {
    local each used
    for each in $(ls -1dt $root/releases/* | tail -n +6); do rm -rf "$each"; done
    used=$(readlink $root/releases/*/env)
    for each in $root/envs/*; do
        grep -qx "$each" <<<"$used" || rm -rf "$each"
    done
}

on_host() {
    exec 9>/run/lock/$name.deploy
    flock -n 9 || { echo "$host: another deploy is at work" >&2; exit 1; }
    release=$root/releases/$id
    if serves; then
        echo "$host: $id serves already"
        return
    fi
    install -d -o $name -g $name $root/run
    checkout
    environment
    in_release python manage.py collectstatic --noinput -v 0
    in_release python manage.py migrate --noinput -v 0
    start_web
    link "web-$colour.sock" $root/run/web.sock
    link "releases/$id" $root/current
    start_worker
    site
    cron
    if [ "$live" ]; then
        sleep 1 # requests that nginx has just handed over
        rm -f "/etc/supervisor/conf.d/$name-${live%.sock}.conf"
        supervisorctl update "$name-${live%.sock}" >/dev/null
    fi
    curl -sfk --retry 100 --retry-delay 0 --retry-all-errors --retry-max-time 30 -o /dev/null \
        --resolve "$domain:443:127.0.0.1" "https://$domain/health/"
    tidy
    echo "$id" | replace $root/stamp
    echo "$host: $id serves"
}

# --- What runs here --------------------------------------------------------------------------------------------------

commit=$(git -C "$REPO" rev-parse "$BRANCH^{commit}")
settings=$(printf '%s\n' "$DOMAIN" "$UV" "$INDEX" "$ENVIRONMENT" | cat - "$0" | sha256sum | cut -c1-8)
id=${commit:0:10}-$settings
bundle=$(mktemp)
trap 'rm -f "$bundle"' EXIT
git -C "$REPO" bundle create -q "$bundle" "$BRANCH"

script() { # HOST
    echo "set -euo pipefail"
    printf '%s=%q\n' name "$name" root "$root" host "$1" commit "$commit" id "$id" domain "$DOMAIN" uv_program "$UV" \
        index "$INDEX" variables "$ENVIRONMENT" bundle_size "$(stat -c %s "$bundle")"
    declare -f as_user in_release program_state serves wait_for replace link checkout environment start_web start_worker \
        program program_runs site cron tidy on_host
    # Read to its end before it runs, so that the bundle stays on standard input for `head`.
    echo '{ on_host; exit; }'
    cat "$bundle"
}

jobs=()
for host in "$@"; do
    script "$host" | $SSH "$host" 'bash -s' &
    jobs+=($!)
done
status=0
for job in "${jobs[@]}"; do wait "$job" || status=1; done
exit $status
