#!/bin/sh
# nginx on a port. Its settings are in a directory that goes with it.
set -eu
directory="$(mktemp -d)"
cat >"$directory/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $directory/pid;
error_log stderr crit;
events {}
http {
    access_log off;
    client_body_temp_path $directory/body;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi;
    scgi_temp_path $directory/scgi;
    server {
        listen 127.0.0.1:$1;
        default_type application/json;
        location / { return 200 '{"done":true}'; }
    }
}
END
nginx -p "$directory" -c "$directory/nginx.conf" -e stderr &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server"; rm -rf "$directory"; exit 0' TERM INT
wait "$server"
rm -rf "$directory"
