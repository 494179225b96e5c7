#!/bin/sh
# Entry point of the image, by the name and with the variables that Heketi's manifests know (config.md 6): looks at the
# folder of the database, keeps an archive of it, and starts the server; the first time with a topology, if one is named.
# Arguments go to brickyard itself.
set -eu

if [ "$#" -gt 0 ]; then
    exec brickyard "$@"
fi

folder=${HEKETI_PATH:-/var/lib/heketi}
archive=${HEKETI_DB_ARCHIVE_PATH:-$folder/archive}
keep=${HEKETI_DB_ARCHIVE_COUNT:-5}
config=${HEKETI_CONFIG:-/etc/heketi/heketi.json}
database=$folder/brickyard.db
port=${HEKETI_HTTP_PORT:-8080}

say() { echo "heketi-start: $*" >&2; }
fail() { say "$*"; exit 1; }

# A database of ours, or one of Heketi's, which is larger than nothing.
is_there() { [ -e "$database" ] || [ -s "$folder/heketi.db" ]; }

writable() {
    mkdir -p "$folder" || fail "$folder cannot be made"
    # Not the database itself: on a gluster mount that lost its quorum every write fails.
    probe=$folder/.write-test.$$
    if ! (: > "$probe") 2>/dev/null; then
        fail "$folder cannot be written: nothing is started on it"
    fi
    rm -f "$probe"
}

on_gluster() { grep -s " $folder " /proc/mounts | grep -q heketidbstorage; }

# Heketi's own volume may be mounted before its files are seen: no empty database must be made beside them.
await_files() {
    on_gluster || return 0
    for _ in 1 2 3 4 5 6; do
        is_there && return 0
        say "the gluster volume at $folder has no database so far: looking again in 5 s"
        sleep 5
    done
    is_there || fail "no database has appeared on the gluster volume at $folder. To begin with an empty one there, \
call the image once with the arguments: serve --database $database"
}

# During an update the server before this one may still be ending.
await_lock() {
    [ -e "$folder/brickyard.lock" ] || return 0
    tries=60
    until flock --nonblock "$folder/brickyard.lock" true; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "another server has had $database for a minute: is there a second pod?"
        sleep 1
    done
}

# The last different states, each as a database that can be put in place. One that cannot be read is not archived:
# it would push the good ones out.
keep_archive() {
    case $archive in -|/dev/null) return 0 ;; esac
    [ -e "$database" ] || return 0
    mkdir -p "$archive" || { say "$archive cannot be made: no archive is kept"; return 0; }
    # What is in it, without what changes at each start.
    content=$archive/.content.$$
    if ! brickyard db export --dbfile "$database" --jsonfile "$content"; then
        say "$database cannot be exported: it is not archived"
        return 0
    fi
    sum=$(sha256sum < "$content")
    rm -f "$content"
    newest=$(find "$archive" -name 'brickyard.db-archive-*.gz' | sort | tail -n 1)
    [ -n "$newest" ] && [ "$(cat "$newest.sha256" 2>/dev/null)" = "$sum" ] && return 0
    name=$archive/brickyard.db-archive-$(date +%Y-%m-%d.%s).gz
    # Readable for the owner alone: passwords of block volumes are in it.
    if (umask 077; gzip -9 < "$database" > "$name.part" && echo "$sum" > "$name.sha256" && mv "$name.part" "$name"); then
        say "archived as $name"
    else
        rm -f "$name.part" "$name.sha256"
        say "$name cannot be written: the archive is as it was"
        return 0
    fi
    find "$archive" -name 'brickyard.db-archive-*.gz' | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
        rm -f "$old" "$old.sha256"
    done
}

serve() {
    if [ -f "$config" ]; then exec heketi "--config=$config"; fi
    exec heketi
}

# The server runs as a child, so that the topology can be loaded into it.
serve_with_topology() {
    serve & server=$!
    for name in TERM INT HUP USR2; do
        # shellcheck disable=SC2064 # the name of this signal
        trap "kill -$name $server 2>/dev/null || true" "$name"
    done
    # Keys go through the environment: arguments can be read by everybody on the machine.
    export HEKETI_CLI_SERVER="${HEKETI_CLI_SERVER:-http://localhost:$port}"
    export HEKETI_CLI_USER=admin HEKETI_CLI_KEY="${HEKETI_ADMIN_KEY:-}"
    tries=0
    until heketi-cli cluster list >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || break
        tries=$((tries + 1))
        if [ $((tries % 20)) = 0 ]; then
            say "the topology waits for the server at $HEKETI_CLI_SERVER (HEKETI_CLI_SERVER, HEKETI_ADMIN_KEY): \
$(heketi-cli cluster list 2>&1 >/dev/null | tail -n 1)"
        fi
        sleep 0.5
    done
    if kill -0 "$server" 2>/dev/null; then
        # A database that came back from its backup knows more than the first topology, also of what was removed.
        if ! known=$(heketi-cli cluster list); then
            say "the server does not tell which clusters it knows: $HEKETI_TOPOLOGY_FILE is not loaded"
        elif printf '%s\n' "$known" | grep -q '^Id:'; then
            say "the server knows clusters already, from a backup: $HEKETI_TOPOLOGY_FILE is not loaded"
        elif heketi-cli topology load --json="$HEKETI_TOPOLOGY_FILE"; then
            say "the topology of $HEKETI_TOPOLOGY_FILE was loaded"
        else
            say "$HEKETI_TOPOLOGY_FILE was not loaded wholly: see above; the server goes on, and heketi-cli topology load \
can be repeated"
        fi
    fi
    # A signal ends this wait, not the server.
    while kill -0 "$server" 2>/dev/null; do
        wait "$server" && return 0 || status=$?
    done
    wait "$server" && return 0 || status=$?
    return "$status"
}

writable
await_files
await_lock
keep_archive
cd "$folder"
if [ "${HEKETI_TRY_UPDATE_DB_VOL:-no}" = yes ] && on_gluster; then
    if [ -f "$config" ]; then set -- "--config=$config"; fi
    heketi offline update-dbvol "$@" ||
        say "the options of the database's volume are as they were"
fi
topology=${HEKETI_TOPOLOGY_FILE:-}
if [ -z "$topology" ] || is_there; then
    serve
elif [ ! -e "$topology" ]; then
    say "$topology is not there: the server begins without a topology, which heketi-cli topology load gives it"
    serve
else
    serve_with_topology
fi
