//! Every route, in Heketi's order (api.md 7).
use super::{
    admin, answer, backup, block_volume, brick, cluster, database, device, examination, logging,
    node, operation, queue, reality, volume,
};
use crate::app::App;
use axum::{
    Router,
    routing::{MethodRouter, get, post},
};
use std::sync::LazyLock;

/// The paths behind the layers with what answers them. `{id}` stands for hex digits.
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/queue/{id}", get(queue::poll)),
        ("/clusters", post(cluster::create).get(cluster::list)),
        ("/clusters/{id}", get(cluster::info).delete(cluster::remove)),
        ("/clusters/{id}/flags", post(cluster::set_flags)),
        ("/nodes", post(node::add)),
        ("/nodes/{id}", get(node::info).delete(node::remove)),
        ("/nodes/{id}/state", post(node::set_state)),
        ("/nodes/{id}/tags", post(node::change_tags)),
        ("/devices", post(device::add)),
        ("/devices/{id}", get(device::info).delete(device::remove)),
        ("/devices/{id}/state", post(device::set_state)),
        ("/devices/{id}/resync", get(device::resync)),
        ("/devices/{id}/tags", post(device::change_tags)),
        ("/volumes", post(volume::create).get(volume::list)),
        ("/volumes/{id}", get(volume::info).delete(volume::remove)),
        ("/volumes/{id}/expand", post(volume::expand)),
        ("/volumes/{id}/clone", post(volume::clone)),
        ("/bricks/to-evict/{id}", post(brick::evict)),
        ("/volumes/{id}/block-restriction", post(volume::restrict)),
        ("/blockvolumes", post(block_volume::create).get(block_volume::list)),
        ("/blockvolumes/{id}", get(block_volume::info).delete(block_volume::remove)),
        ("/blockvolumes/{id}/expand", post(block_volume::expand)),
        ("/operations", get(operation::counts)),
        ("/operations/pending", get(operation::list)),
        ("/operations/pending/cleanup", post(operation::clean_up)),
        ("/operations/pending/{id}", get(operation::info).delete(operation::cancel)),
        ("/internal/logging", get(logging::get).post(logging::set)),
        ("/backup", get(backup::status)),
        ("/backup/db", get(database::backup)),
        ("/db/dump", get(database::dump)),
        ("/db/check", get(database::check)),
        ("/internal/state/examine/gluster", get(examination::gluster)),
        ("/internal/state/check", get(reality::check)),
        ("/internal/state/repair", post(reality::repair)),
        ("/admin", get(admin::get).post(admin::set)),
    ]
}

/// All paths of the API that need a token.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    table().into_iter().map(|(path, _)| path).collect()
}

/// Whether some method is answered at this path.
pub(super) fn is_known(path: &str) -> bool {
    // The table makes handlers, which is too much for each request.
    static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(paths);
    let hex = |segment: &str| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_hexdigit());
    let matches = |pattern: &str| {
        let mut wanted = pattern.split('/');
        let mut given = path.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some("{id}"), Some(segment)) if hex(segment) => {}
                (Some(word), Some(segment)) if word == segment => {}
                _ => return false,
            }
        }
    };
    KNOWN.iter().copied().any(matches)
}

/// The routes inside of all layers.
pub(super) fn inner(app: App) -> Router {
    let mut router = Router::new();
    for (path, handlers) in table() {
        router = router.route(path, handlers);
    }
    router
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_digits_of_any_number() {
        for known in ["/clusters", "/clusters/abc", "/clusters/ABC", "/volumes/0/expand", "/admin"]
        {
            assert!(is_known(known), "{known}");
        }
        for unknown in ["/", "", "/clusters/", "/clusters/xyz", "/clusters/a/b", "/hello", "/nope"]
        {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
