#!/bin/bash
# Deploys the site with the least that a person could write for the same job: one ssh a host with one curve, few processes,
# the commit known beforehand, nothing done twice for the same files, and the web server's own reload by a signal.
#
#     SETTINGS=settings.sh bench/peers/least.sh HOST ...
#
# It keeps no old process until the new one has proven itself, takes no lock, checks no file, and undoes nothing.
set -euo pipefail
source "$SETTINGS"

name=$NAME
root=/srv/$name
commit=$(git -C "$REPO" rev-parse "$BRANCH")

# shellcheck disable=SC2016
on_host='set -eu
root=/srv/$name release=/srv/$name/releases/$commit mirror=/srv/$name/repository.git
old=$(cat $root/stamp 2>/dev/null || true)
if [ "$old" = "$commit $id" ]; then
    supervisorctl_state() { curl -sf --unix-socket /run/supervisor.sock -H "Content-Type: text/xml" -d "<methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>" http://localhost/RPC2; }
    running=$(supervisorctl_state)
    for each in web worker; do
        case $running in *"<string>$name-$each</string>"*) ;; *) exit 1 ;; esac
    done
    echo "$host: $commit serves already"
    exit
fi
as_user() { setpriv --reuid "$name" --regid "$name" --clear-groups env HOME=$root/home "$@"; }
[ -d $mirror ] || git init -q --bare $mirror
head -c "$bundle_size" >$root/bundle
git -C $mirror fetch -q $root/bundle "+refs/heads/*:refs/heads/*"
mkdir -p $release/source
git -C $mirror archive "$commit" | tar -x -C $release/source
chown -R $name:$name $release/source
cd $release/source
env=$root/envs/$requirements
if [ ! -e $env/.complete ]; then
    as_user env $index "$uv_program" venv -q $env
    as_user env $index "$uv_program" pip install -q --python $env/bin/python -r requirements.txt
    touch $env/.complete
    ln -sfn $env $root/env
fi
if [ ! -e $root/environment ]; then
    printf "PATH=\"%s/env/bin:/usr/local/bin:/usr/bin:/bin\"\nPYTHONUNBUFFERED=1\n%s\n" "$root" "$variables" >$root/environment
    printf "#!/bin/sh\nset -a\n. %s/environment\nexec \"\$@\"\n" "$root" >$root/run
    chmod 755 $root/run
    chgrp $name $root/environment
    chmod 640 $root/environment
fi
former=${old%% *}
changed() { [ -z "$former" ] || ! git -C $mirror diff --quiet "$former" "$commit" -- "$@"; }
if changed "*/static/*" "*/settings.py" requirements.txt; then
    as_user $root/run python manage.py collectstatic --noinput -v 0
else
    [ "$former" = "$commit" ] || cp -a $root/releases/$former/source/static .
fi
if changed "*/migrations/*" requirements.txt; then
    as_user $root/run python manage.py migrate --noinput -v 0
fi
ln -sfn $release $root/current
if [ -z "$former" ]; then
    for each in web worker; do
        case $each in
        web) command="gunicorn harbour.wsgi --chdir $root/current/source --bind unix:$root/web.sock --pid $root/web.pid --workers 2 --no-control-socket" ;;
        worker) command="python -c \"import signal; signal.pause()\"" ;;
        esac
        printf "[program:%s]\ncommand=%s\ndirectory=%s\nuser=%s\nstopasgroup=true\nkillasgroup=true\nstdout_logfile=%s\nredirect_stderr=true\n" \
            "$name-$each" "$root/run $command" "$root" "$name" "$root/log/$each.log" >/etc/supervisor/conf.d/$name-$each.conf
    done
    supervisorctl update >/dev/null
    printf "* * * * * %s cd %s/current/source && %s/run systemd-cat -t %s-tick python manage.py tick\n" $name $root $root $name >/etc/cron.d/$name
    printf "%s" "$site" >/etc/nginx/sites-enabled/$name.conf
    nginx -tq
    systemctl reload-or-restart nginx
    tries="--retry 200 --retry-delay 0 --retry-all-errors --retry-max-time 30"
else
    kill -HUP $(cat $root/web.pid)
    curl -sf --unix-socket /run/supervisor.sock -H "Content-Type: text/xml" -o /dev/null http://localhost/RPC2 -d \
        "<methodCall><methodName>supervisor.signalProcess</methodName><params><param><value>$name-worker</value></param><param><value>TERM</value></param></params></methodCall>"
    tries=
fi
curl -sfk $tries -o /dev/null --resolve "$domain:443:127.0.0.1" "https://$domain/health/"
echo "$commit $id" >$root/stamp
echo "$host: $commit serves"'

id=$(printf '%s\n' "$DOMAIN" "$UV" "$INDEX" "$ENVIRONMENT" "$SITE" | cat - "$0" | sha256sum | cut -c1-8)
requirements=$(git -C "$REPO" show "$BRANCH:requirements.txt" | sha256sum | cut -c1-16)
bundle=$(mktemp)
trap 'rm -f "$bundle"' EXIT
git -C "$REPO" bundle create -q "$bundle" "$BRANCH"
jobs=()
for host in "$@"; do
    {
        printf '%s=%q\n' name "$name" host "$host" commit "$commit" id "$id" requirements "$requirements" domain "$DOMAIN" \
            uv_program "$UV" index "$INDEX" variables "$ENVIRONMENT" site "$SITE" bundle_size "$(stat -c %s "$bundle")"
        echo "{"
        echo "$on_host"
        echo "exit; }"
        cat "$bundle"
    } | $SSH -o KexAlgorithms=curve25519-sha256 "$host" 'exec bash -s' &
    jobs+=($!)
done
status=0
for job in "${jobs[@]}"; do wait "$job" || status=1; done
exit $status
