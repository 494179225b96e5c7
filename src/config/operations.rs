//! Limits and defaults of operations.
use super::{ConfigError, environment::Environment, file::File, seconds};
use crate::{
    domain::{Gib, Kib, VolumeOption},
    operation::Settings,
};
use std::time::Duration;

pub(super) fn operations(file: &File, env: &Environment<'_>) -> Result<Settings, ConfigError> {
    let gluster = &file.glusterfs;
    let mut settings = Settings::default();
    let gib = |given: u64, default: Kib| {
        if given == 0 { default } else { Gib(given).to_kib() }
    };
    settings.limits.brick_min = gib(gluster.brick_min_size_gb, settings.limits.brick_min);
    settings.limits.brick_max = gib(gluster.brick_max_size_gb, settings.limits.brick_max);
    if settings.limits.brick_min > settings.limits.brick_max {
        let why = "is larger than glusterfs.brick_max_size_gb".into();
        return Err(ConfigError::Value { key: "glusterfs.brick_min_size_gb", why });
    }
    if gluster.max_bricks_per_volume > 0 {
        settings.limits.max_bricks = gluster.max_bricks_per_volume;
    }
    if gluster.average_file_size_kb > 0 {
        settings.average_file_size = gluster.average_file_size_kb;
    }
    let zones = env.text("HEKETI_ZONE_CHECKING").unwrap_or_else(|| gluster.zone_checking.clone());
    settings.strict_zones = match zones.as_str() {
        "strict" => true,
        "" | "none" => false,
        // A typo here would quietly put two copies into one zone.
        other => {
            let why = format!("`{other}` is neither none nor strict");
            return Err(ConfigError::Value { key: "glusterfs.zone_checking", why });
        }
    };
    let limit = env.number("HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER")?;
    settings.max_volumes_per_cluster = match limit.unwrap_or(gluster.max_volumes_per_cluster) {
        0 => settings.max_volumes_per_cluster,
        n => (n > 0).then_some(n),
    };
    let options = |variable: &'static str, key: &'static str, given: &String| {
        let text = env.text(variable).unwrap_or_else(|| given.clone());
        VolumeOption::list(&text).map_err(|e| ConfigError::Value { key, why: e.to_string() })
    };
    settings.pre_request_options = options(
        "HEKETI_PRE_REQUEST_VOLUME_OPTIONS",
        "glusterfs.pre_request_volume_options",
        &gluster.pre_request_volume_options,
    )?;
    settings.post_request_options = options(
        "HEKETI_POST_REQUEST_VOLUME_OPTIONS",
        "glusterfs.post_request_volume_options",
        &gluster.post_request_volume_options,
    )?;
    // What cannot be read as a boolean is false, as with Heketi.
    let auto = env.text("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME");
    settings.create_block_hosting = match auto {
        Some(_) => env.boolean("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME").unwrap_or(false),
        None => gluster.auto_create_block_hosting_volume,
    };
    let size = env.number("HEKETI_BLOCK_HOSTING_VOLUME_SIZE")?;
    match size.unwrap_or(gluster.block_hosting_volume_size) {
        0 => {}
        gib => settings.block_hosting_size = Gib(gib),
    }
    let hosting = env.text("HEKETI_BLOCK_HOSTING_VOLUME_OPTIONS");
    let hosting = hosting.unwrap_or_else(|| gluster.block_hosting_volume_options.clone());
    if !hosting.is_empty() {
        let key = "glusterfs.block_hosting_volume_options";
        settings.block_hosting_options = VolumeOption::list(&hosting)
            .map_err(|e| ConfigError::Value { key, why: e.to_string() })?;
    }
    if gluster.operation_retry_limits.volume_create > 0 {
        settings.create_retries = gluster.operation_retry_limits.volume_create;
    }
    let in_flight = env.number("HEKETI_MAX_INFLIGHT_OPERATIONS")?;
    match in_flight.unwrap_or(gluster.max_inflight_operations) {
        0 => {}
        n => settings.max_in_flight = n,
    }
    let waiting = env.number("BRICKYARD_MAX_WAITING_OPERATIONS")?;
    match waiting.unwrap_or(gluster.max_waiting_operations) {
        0 => {}
        n => settings.max_waiting = n,
    }
    // Only the variable switches it off: Heketi ignores the key of the file.
    settings.rebalance = env.boolean("HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION").unwrap_or(true);
    let off = env.text("HEKETI_DISABLE_BACKGROUND_CLEANER").as_deref() == Some("true");
    let first = seconds(gluster.start_time_background_cleaner, 60);
    let then = seconds(gluster.refresh_time_background_cleaner, 3600);
    settings.cleaner = (!off && !gluster.disable_background_cleaner).then_some((first, then));
    Ok(settings)
}

/// First run and rhythm of the monitor of nodes (storage.md 5.6); none switches it off.
pub(super) fn monitor(file: &File, env: &Environment<'_>) -> Option<(Duration, Duration)> {
    let gluster = &file.glusterfs;
    let off = env.text("HEKETI_DISABLE_HEALTH_MONITOR").as_deref() == Some("true");
    let first = seconds(gluster.start_time_monitor_gluster_nodes, 10);
    let then = seconds(gluster.refresh_time_monitor_gluster_nodes, 120);
    (!off && !gluster.disable_monitor_gluster_nodes).then_some((first, then))
}
