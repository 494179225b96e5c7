# Sent to a node: prints what it has of ours, one item a line, in the words that compare.rs puts the database
# into; "done" at the end tells a complete answer from one that was cut off. One round trip, since each LVM
# command alone costs most of a second under emulation.
set -eu
mounts=/var/lib/heketi/mounts

# LVM's own spare for pool metadata is as large as the largest while there is any pool: no brick's.
{
  lvs -a --noheadings --nosuffix --units k --separator '|' -o vg_name,lv_name,segtype,lv_size,lv_metadata_size,pool_lv
  vgs --noheadings --nosuffix --units k --separator '|' -o vg_name,vg_size,vg_free
} | awk -F'|' '
  { gsub(/ /, "") }
  NF == 3 { printf "group %s: %d KiB, %d used\n", $1, $2, $2 - $3 - spare[$1]; next }
  $2 ~ /_pmspare/ { spare[$1] = $4; next }
  $2 ~ /^\[/ { next }
  $3 == "thin-pool" { printf "pool %s/%s: %d + %d KiB\n", $1, $2, $4, $5; next }
  { printf "lv %s/%s: %d KiB of %s\n", $1, $2, $4, $6 }'

for file in /var/lib/heketi/fstab /etc/fstab; do
  [ ! -e "$file" ] || sed -n '/brick_/s/^/fstab /p' "$file"
done
awk -v m="$mounts/" 'index($2, m) == 1 || index($2, "/run/gluster/snaps/") == 1 { print "mount " $1 " " $2 " " $3; print $2 > "/dev/stderr" }' /proc/mounts 2>/run/lab-mounts
while read -r at; do
  [ ! -d "$at/brick" ] || echo "directory $at/brick"
done </run/lab-mounts
# -xdev: what lies in a brick is the users', its mount point is ours
[ ! -d "$mounts" ] || find "$mounts" -xdev -mindepth 1 -maxdepth 2 -printf 'mount point %p\n'

{ pgrep -x -a glusterfsd || true; } | sed -n 's/.*--brick-name \([^ ]*\).*/process \1/p'
# The list of volumes as this node's glusterd has it: its peers may see it otherwise.
gluster --mode=script volume info all 2>/dev/null | awk '
  function tell() { if (name != "") printf "volume %s: %s, %s, %s, id %s,%s\n", name, type, status, number, id, bricks }
  /^Volume Name: / { tell(); name = $3; type = status = number = id = bricks = "" }
  /^Type: / { type = $2 }
  /^Status: / { status = $2 }
  /^Number of Bricks: / { sub(/^Number of Bricks: /, ""); number = $0 }
  /^Brick[0-9]+: / { sub(/^Brick[0-9]+:/, ""); bricks = bricks $0 }
  /^user.heketi.id: / { id = $2 }
  END { tell() }'
echo "done"
