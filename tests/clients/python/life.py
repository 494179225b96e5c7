"""The life of a cluster, told by Heketi's Python client 3.0.0 (api.md 15.3).

LIFE at the end is the list of what is done, in order. What the client has no call for goes through
the same `_make_request` that its calls go through: its tokens, its polling, its errors.
"""
import sys
import time
from contextlib import contextmanager

import requests
from python3 import HeketiClient
from server import Server

ADMIN, USER = "a key for admins", "a key for users"


class World:
    """The client, and the ids that one part of the life leaves to the next."""

    def __init__(self, url):
        self.url = url
        self.client = HeketiClient(url, "admin", ADMIN)
        self.cluster = None
        self.nodes = []
        self.devices = []
        self.volume = None

    def get(self, path):
        return self.client._make_request("GET", path).json()

    def post(self, path, body):
        return self.client._make_request("POST", path, body)


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


@contextmanager
def refused(status, text):
    """What is done inside must fail with this status and text."""
    try:
        yield
    except requests.HTTPError as error:
        same((error.response.status_code, error.response.text), (status, text))
    else:
        raise AssertionError(f"not refused with {status}")


def hello(world):
    assert world.client.hello()


def keys(world):
    wrong = HeketiClient(world.url, "admin", "wrong")
    text = "Invalid JWT token: signature is invalid (client and server secrets may not match)\n"
    with refused(401, text):
        wrong.cluster_list()
    with refused(401, "Invalid JWT token: Unknown user\n"):
        HeketiClient(world.url, "nobody", ADMIN).cluster_list()
    user = HeketiClient(world.url, "user", USER)
    with refused(401, "Administrator access required\n"):
        user.cluster_list()
    same(user.volume_list(), {"volumes": []})


def clusters(world):
    client = world.client
    made = client.cluster_create()
    world.cluster = made["id"]
    # The client of 2016 does not know flags, and a cluster without any takes no volume.
    same((made["file"], made["block"]), (False, False))
    world.post(f"/clusters/{world.cluster}/flags", {"file": True, "block": True})
    info = client.cluster_info(world.cluster)
    same((info["file"], info["block"], info["nodes"], info["volumes"]), (True, True, [], []))
    second = client.cluster_create()["id"]
    same(client.cluster_list(), {"clusters": sorted([world.cluster, second])})
    assert client.cluster_delete(second)
    same(client.cluster_list(), {"clusters": [world.cluster]})
    with refused(404, "Id not found\n"):
        client.cluster_info(second)


def nodes(world):
    client = world.client
    for n in range(1, 5):
        names = {"manage": [f"node{n}.example.com"], "storage": [f"10.0.0.{n}"]}
        node = client.node_add({"zone": n, "cluster": world.cluster, "hostnames": names})
        same((node["zone"], node["state"], node["hostnames"]), (n, "online", names))
        world.nodes.append(node["id"])
    same(client.node_info(world.nodes[0])["devices"], [])
    assert client.node_delete(world.nodes.pop())
    same(client.cluster_info(world.cluster)["nodes"], sorted(world.nodes))
    holds = "because it contains volumes and/or nodes"
    with refused(409, f"Unable to delete cluster [{world.cluster}] {holds}\n"):
        client.cluster_delete(world.cluster)


def devices(world):
    client = world.client
    for node in world.nodes:
        for name in ["/dev/sdb", "/dev/sdc"]:
            assert client.device_add({"node": node, "name": name})
        found = client.node_info(node)["devices"]
        same(sorted(device["name"] for device in found), ["/dev/sdb", "/dev/sdc"])
        world.devices += [device["id"] for device in found]
    info = client.device_info(world.devices[0])
    storage = info["storage"]
    same((info["state"], info["bricks"], storage["used"]), ("online", [], 0))
    same(storage["total"], storage["free"])
    with refused(400, "validation failed: node: abc is not a valid UUID.\n"):
        world.post("/devices", {"node": "abc", "name": "/dev/sdz"})


def tags(world):
    node, device = world.nodes[0], world.devices[0]
    world.post(f"/nodes/{node}/tags", {"change_type": "set", "tags": {"rack": "r1"}})
    world.post(f"/devices/{device}/tags", {"change_type": "update", "tags": {"disk": "ssd"}})
    same(world.client.node_info(node)["tags"], {"rack": "r1"})
    same(world.client.device_info(device)["tags"], {"disk": "ssd"})
    world.post(f"/nodes/{node}/tags", {"change_type": "delete", "tags": {"rack": ""}})
    assert "tags" not in world.client.node_info(node)


def states(world):
    client = world.client
    # The state is changed, but the client waits for a 200 that no Heketi since version 5 gives.
    same(client.node_state(world.nodes[0], {"state": "offline"}), False)
    same(client.node_info(world.nodes[0])["state"], "offline")
    client.node_state(world.nodes[0], {"state": "online"})
    same(client.node_info(world.nodes[0])["state"], "online")
    client.device_state(world.devices[0], {"state": "offline"})
    same(client.device_info(world.devices[0])["state"], "offline")
    client.device_state(world.devices[0], {"state": "online"})
    with refused(400, "validation failed: state: unknown is not valid state.\n"):
        client.node_state(world.nodes[0], {"state": "unknown"})


def volumes(world):
    client = world.client
    replicate = {"type": "replicate", "replicate": {"replica": 3}}
    made = client.volume_create({"size": 10, "name": "life", "durability": replicate})
    world.volume = made["id"]
    same((made["name"], made["size"], len(made["bricks"])), ("life", 10, 3))
    same(made["cluster"], world.cluster)
    same(client.volume_info(world.volume), made)
    same(client.volume_list(), {"volumes": [world.volume]})
    grown = client.volume_expand(world.volume, {"expand_size": 5})
    same((grown["size"], len(grown["bricks"])), (15, 6))
    same(client.cluster_info(world.cluster)["volumes"], [world.volume])
    with refused(500, "Failed to allocate new volume: Volume name 'life' already in use\n"):
        client.volume_create({"size": 1, "name": "life", "durability": replicate})
    with refused(500, "Failed to allocate new volume: No space\n"):
        client.volume_create({"size": 1_000_000, "durability": replicate})
    with refused(400, "Unknown durability type\n"):
        client.volume_create({"size": 1, "durability": {"type": "bad"}})


def clones(world):
    clone = world.post(f"/volumes/{world.volume}/clone", {"name": "copy"}).json()
    same((clone["name"], clone["size"], len(clone["bricks"])), ("copy", 15, 6))
    same(world.client.volume_list(), {"volumes": sorted([world.volume, clone["id"]])})
    assert world.client.volume_delete(clone["id"])


def block_volumes(world):
    """The client of 2016 knows none of them: hosting volume, block volume, larger, gone."""
    client = world.client
    replicate = {"type": "replicate", "replicate": {"replica": 3}}
    hosting = client.volume_create({"size": 20, "block": True, "durability": replicate})
    # A hundredth is kept back for gluster's own needs.
    same((hosting["block"], hosting["blockinfo"]["freesize"]), (True, 19))
    made = world.post("/blockvolumes", {"size": 3, "name": "disk", "hacount": 2}).json()
    same((made["name"], made["size"], made["usablesize"]), ("disk", 3, 3))
    same((made["blockhostingvolume"], made["cluster"]), (hosting["id"], world.cluster))
    target = made["blockvolume"]
    assert target["iqn"].startswith("iqn."), target
    same((target["lun"], len(target["hosts"])), (0, 2))
    path = f"/blockvolumes/{made['id']}"
    same(world.get(path), made)
    same(world.get("/blockvolumes"), {"blockvolumes": [made["id"]]})
    same(world.post(f"{path}/expand", {"new_size": 5}).json()["size"], 5)
    same(client.volume_info(hosting["id"])["blockinfo"]["freesize"], 14)
    disabled = "Block Hosting Volume Creation is disabled. Create a Block hosting volume and try again."
    with refused(500, f"Failed to allocate new block volume: {disabled}\n"):
        world.post("/blockvolumes", {"size": 15})
    assert client._make_request("DELETE", path)
    same(world.get("/blockvolumes"), {"blockvolumes": []})
    same(client.volume_info(hosting["id"])["blockinfo"]["freesize"], 19)
    assert client.volume_delete(hosting["id"])


def dump(world):
    """What tools that look into the database read."""
    entries = world.get("/db/dump")
    kinds = ["cluster", "volume", "brick", "node", "device", "blockvolume", "dbattribute", "pendingoperations"]
    found = {kind: entries[key] for kind in kinds for key in entries if key.startswith(kind)}
    same(sorted(found), sorted(kinds))
    same((list(found["cluster"]), list(found["volume"])), ([world.cluster], [world.volume]))
    same((sorted(found["node"]), sorted(found["device"])), (sorted(world.nodes), sorted(world.devices)))
    info = world.client.volume_info(world.volume)
    same(sorted(found["brick"]), sorted(brick["id"] for brick in info["bricks"]))
    same(found["volume"][world.volume]["Info"]["size"], info["size"])
    same((found["blockvolume"], found["pendingoperations"]), ({}, {}))
    assert world.client._make_request("GET", "/backup/db").content.startswith(b"SQLite format 3")
    same(world.get("/db/check")["totalinconsistencies"], 0)


def topology(world):
    """What a tool that shows the topology reads, object by object."""
    client = world.client
    seen = set()
    for cluster in client.cluster_list()["clusters"]:
        for node in client.cluster_info(cluster)["nodes"]:
            for device in client.node_info(node)["devices"]:
                same(client.device_info(device["id"])["bricks"], device["bricks"])
                seen |= {brick["id"] for brick in device["bricks"]}
    same(seen, {brick["id"] for brick in client.volume_info(world.volume)["bricks"]})


def operations(world):
    counts = world.get("/operations")
    same(counts, {"total": 0, "in_flight": 0, "stale": 0, "failed": 0, "new": 0})
    same(world.get("/operations/pending"), {"pendingoperations": []})
    unknown = "0" * 32
    with refused(404, f"Id not found: {unknown}\n"):
        world.get(f"/operations/pending/{unknown}")
    same(world.post("/operations/pending/cleanup", {}).status_code, 204)


def mode(world):
    same(world.get("/admin"), {"state": "normal"})
    same(world.post("/admin", {"state": "local-client"}).status_code, 204)
    same(world.get("/admin"), {"state": "local-client"})
    world.post("/admin", {"state": "normal"})


def deletion(world):
    client = world.client
    with refused(409, f"Unable to delete node [{world.nodes[0]}] because it contains devices\n"):
        client.node_delete(world.nodes[0])
    assert client.volume_delete(world.volume)
    same(client.volume_list(), {"volumes": []})
    with refused(404, "Id not found\n"):
        client.volume_info(world.volume)
    for device in world.devices:
        same(client.device_info(device)["storage"]["used"], 0)
        client.device_state(device, {"state": "offline"})
        client.device_state(device, {"state": "failed"})
        assert client.device_delete(device)
    for node in world.nodes:
        assert client.node_delete(node)
    assert client.cluster_delete(world.cluster)
    same(client.cluster_list(), {"clusters": []})


LIFE = [
    hello,
    keys,
    clusters,
    nodes,
    devices,
    tags,
    states,
    volumes,
    clones,
    block_volumes,
    dump,
    topology,
    operations,
    mode,
    deletion,
]


def main(binary):
    with Server(binary, ADMIN, USER) as server:
        world = World(server.url)
        for part in LIFE:
            started = time.monotonic()
            part(world)
            print(f"python client: {part.__name__}: {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
