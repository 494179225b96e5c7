//! gluster-block on simulated nodes: as much of it as `node::gluster_block` uses, with its words.
use super::world::{BlockVolume, Outcome, World};
use crate::{
    domain::Gib,
    node::gluster_block::{shown, whole_gib},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn execute(world: &mut World, host: &str, argv: &[&str]) -> Outcome {
    if world.no_gluster_block.contains(host) {
        return Err("gluster-block: command not found".into());
    }
    if world.no_glusterd.contains(host) {
        return Err(
            "Connection failed. Please check if gluster-block daemon is operational.".into()
        );
    }
    let [words @ .., "--json"] = argv else { return Err("Inadequate arguments".into()) };
    match words {
        ["list", hosting] => list(world, hosting),
        [command, name, rest @ ..] => {
            let (hosting, block) = name.split_once('/').unwrap_or((name, ""));
            volume(world, hosting)?;
            match (*command, rest) {
                ("create", rest) => create(world, hosting, block, rest),
                ("info", []) => find(world, hosting, block).map(|block| info(block)),
                ("delete", []) => delete(world, hosting, block),
                ("modify", ["size", size]) => modify(world, hosting, block, size),
                _ => Err(format!("unknown option '{}'", words.join(" "))),
            }
        }
        _ => Err("Inadequate arguments".into()),
    }
}

fn refused(code: i64, why: &str) -> String {
    json!({"RESULT": "FAIL", "errCode": code, "errMsg": why}).to_string()
}

/// Only a volume that is started can be reached.
fn volume(world: &World, hosting: &str) -> Result<(), String> {
    let there = world.volumes.iter().any(|v| v.name == hosting && v.started);
    there.then_some(()).ok_or_else(|| refused(2, &format!("Volume {hosting} does not exist")))
}

fn find<'a>(
    world: &'a mut World,
    hosting: &str,
    name: &str,
) -> Result<&'a mut BlockVolume, String> {
    let is = |block: &&mut BlockVolume| block.hosting == hosting && block.name == name;
    let found = world.block_volumes.iter_mut().find(is);
    found.ok_or_else(|| refused(2, &format!("block {hosting}/{name} doesn't exist")))
}

fn iqn(gbid: &str) -> String {
    format!("iqn.2016-12.org.gluster-block:{gbid}")
}

fn list(world: &World, hosting: &str) -> Outcome {
    volume(world, hosting)?;
    let on = world.block_volumes.iter().filter(|block| block.hosting == hosting);
    let names: Vec<&str> = on.map(|block| block.name.as_str()).collect();
    Ok(json!({"blocks": names, "RESULT": "SUCCESS"}).to_string())
}

fn create(world: &mut World, hosting: &str, name: &str, rest: &[&str]) -> Outcome {
    let ["ha", ha, "auth", auth, "prealloc", _, hosts, size] = rest else {
        return Err(format!("Inadequate arguments for create: {}", rest.join(" ")));
    };
    let (Ok(ha), Some(size)) = (ha.parse(), whole_gib(size)) else {
        return Err("'<size>' is incorrect".into());
    };
    let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
    if ha > hosts.len() {
        let why = format!("multipath req: {ha} > block-hosts: {}\n", hosts.join(","));
        return Err(refused(19, &why));
    }
    if find(world, hosting, name).is_ok() {
        return Err(refused(17, &format!("BLOCK with name: '{name}' already EXIST\n")));
    }
    // The target of a host has one name space for the block volumes of all hosting volumes.
    let taken = |host: &String| {
        world.block_volumes.iter().any(|other| other.name == name && other.hosts.contains(host))
    };
    for host in &hosts {
        if taken(host) {
            let hint = "may be hosted on a different block-hosting volume";
            let why = format!("block with name '{name}' already exist (Hint: {hint})");
            return Err(refused(255, &format!("failed to configure on {host} {why}\n")));
        }
        if world.ill_targets.contains(host) {
            return Err(refused(255, &format!("failed to configure on {host} configure failed\n")));
        }
    }
    let gbid = uuid::Uuid::new_v4().to_string();
    let auth = *auth == "enable";
    let password = if auth { uuid::Uuid::new_v4().to_string() } else { String::new() };
    let portals: Vec<String> = hosts.iter().map(|host| format!("{host}:3260")).collect();
    let mut answer = json!({"IQN": iqn(&gbid), "PORTAL(S)": portals, "RESULT": "SUCCESS"});
    if auth {
        answer["USERNAME"] = json!(gbid);
        answer["PASSWORD"] = json!(password);
    }
    world.block_volumes.push(BlockVolume {
        hosting: hosting.to_owned(),
        name: name.to_owned(),
        gbid,
        size: size.0,
        ha,
        hosts,
        password,
        behind: BTreeMap::new(),
    });
    Ok(answer.to_string())
}

fn info(block: &BlockVolume) -> String {
    let mut answer = json!({
        "NAME": block.name,
        "VOLUME": block.hosting,
        "GBID": block.gbid,
        "SIZE": shown(Gib(block.size)),
        "HA": block.ha,
        "PASSWORD": block.password,
        "EXPORTED ON": block.hosts,
    });
    if !block.behind.is_empty() {
        let sizes: BTreeMap<_, _> =
            block.behind.iter().map(|(host, size)| (host, shown(Gib(*size)))).collect();
        answer["RESIZE FAILED ON"] = json!(sizes);
    }
    answer.to_string()
}

/// Hosts that are ill keep it; the others do not export it any more.
fn delete(world: &mut World, hosting: &str, name: &str) -> Outcome {
    let ill = world.ill_targets.clone();
    let block = find(world, hosting, name)?;
    let (kept, gone): (Vec<_>, Vec<_>) = block.hosts.drain(..).partition(|h| ill.contains(h));
    block.hosts.clone_from(&kept);
    let result = if kept.is_empty() { "SUCCESS" } else { "FAIL" };
    let mut answer = json!({"SUCCESSFUL ON": gone, "RESULT": result});
    if !kept.is_empty() {
        answer["FAILED ON"] = json!(kept);
        return Err(answer.to_string());
    }
    world.block_volumes.retain(|block| block.hosting != hosting || block.name != name);
    Ok(answer.to_string())
}

fn modify(world: &mut World, hosting: &str, name: &str, size: &str) -> Outcome {
    let ill = world.ill_targets.clone();
    let block = find(world, hosting, name)?;
    let Some(Gib(size)) = whole_gib(size) else { return Err("'<size>' is incorrect".into()) };
    let (now, wanted) = (shown(Gib(block.size)), shown(Gib(size)));
    if size < block.size {
        let sizes = format!("[current size {now}, request size {wanted}]");
        return Err(refused(255, &format!("Shrink size ?\nuse 'force' option {sizes}")));
    }
    if size == block.size && block.behind.is_empty() {
        let why = format!("request size ({wanted}) is same as current size ({now}) ]");
        return Err(refused(255, &why));
    }
    let before = block.size;
    let of_host = |host: &String| (host.clone(), *block.behind.get(host).unwrap_or(&before));
    let behind: BTreeMap<_, _> =
        block.hosts.iter().filter(|host| ill.contains(*host)).map(of_host).collect();
    block.size = size;
    block.behind = behind;
    let mut answer: Value = json!({"IQN": iqn(&block.gbid)});
    if block.behind.is_empty() {
        answer["SIZE"] = json!(wanted);
        answer["RESULT"] = json!("SUCCESS");
        return Ok(answer.to_string());
    }
    answer["FAILED ON"] = json!(block.behind.keys().collect::<Vec<_>>());
    answer["RESULT"] = json!("FAIL");
    Err(answer.to_string())
}
