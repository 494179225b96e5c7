//! `/queue/{id}`: how far an operation is (api.md 6). Unlike Heketi's, the answer is there again
//! when it is asked for twice, and after a restart.
use super::{answer, path::Id};
use crate::{
    app::App,
    domain::OperationId,
    error::{Error, Result},
    operation::Queued,
};
use axum::{
    extract::State,
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};

pub(super) async fn poll(State(app): State<App>, Id(id): Id<OperationId>) -> Result<Response> {
    Ok(match app.operations.queued(id).await? {
        Queued::Pending => {
            let pending = [(HeaderName::from_static("x-pending"), "true")];
            (StatusCode::OK, pending).into_response()
        }
        Queued::Done(None) => StatusCode::NO_CONTENT.into_response(),
        Queued::Done(Some(location)) => {
            let mut response = (StatusCode::SEE_OTHER, answer::located(&location)).into_response();
            answer::link(&mut response, &location, "See Other");
            response
        }
        Queued::Failed(why) => answer::error(&Error::Refused(why)),
    })
}
