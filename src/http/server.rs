//! The listening server and its end.
use super::{BODY_LIMIT, router};
use crate::app::App;
use axum::{
    extract::DefaultBodyLimit,
    serve::{Listener, ListenerExt},
};
use std::{io, net::SocketAddr, time::Duration};
use tokio_util::sync::CancellationToken;

/// How long open connections may take to end once nothing is running any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// Answers requests until `stop` is cancelled.
///
/// Then no new operation is accepted, those that run reach the end of their step while reads and
/// polls are still answered, and only after that the server stops listening.
///
/// # Errors
/// The listener fails.
pub async fn serve<L>(app: App, listener: L, stop: CancellationToken) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
{
    let service = router(app.clone())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .into_make_service_with_connect_info::<SocketAddr>();
    let settled = CancellationToken::new();
    let ended = settled.clone();
    let ending = tokio::spawn(async move {
        stop.cancelled().await;
        app.operations.end().await;
        settled.cancel();
    });
    let closing = ended.clone();
    // The addresses of clients are known for a listener of any kind only when it is wrapped.
    let server = axum::serve(listener.tap_io(|_| {}), service)
        .with_graceful_shutdown(async move { closing.cancelled().await });
    let patience = async {
        ended.cancelled().await;
        tokio::time::sleep(GOODBYE).await;
    };
    tokio::select! {
        result = server => result?,
        () = patience => tracing::info!("closing the connections that are left"),
    }
    ending.abort();
    Ok(())
}
