//! `/internal/state/examine`
use super::answer::Text;
use crate::{app::App, error::Result, examine};
use axum::extract::State;

pub(super) async fn gluster(State(app): State<App>) -> Result<Text> {
    examine::on_demand(&app.store, &app.operations).await.map(Text)
}
