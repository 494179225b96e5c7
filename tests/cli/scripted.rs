//! A server on a free port that answers as a closure says and remembers what it was asked.
use axum::{
    Router,
    body::Body,
    http::{Request as HttpRequest, Response},
};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) authorization: String,
}

impl Request {
    /// Method, path and body in a line.
    pub(super) fn line(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.body).trim_end().to_owned()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self { status, headers: vec![], body: body.into() }
    }
    /// A file as it is.
    pub(super) fn file(body: &[u8]) -> Self {
        Self { status: 200, headers: vec![], body: body.into() }
    }
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
    /// A JSON object, with the line end that Heketi sends.
    pub(super) fn json(body: &str) -> Self {
        Self::new(200, &format!("{body}\n"))
    }
    pub(super) fn accepted() -> Self {
        Self::new(202, "").with("Location", "/queue/0123456789abcdef0123456789abcdef")
    }
    pub(super) fn pending() -> Self {
        Self::new(200, "").with("X-Pending", "true")
    }
    pub(super) fn see_other(path: &str) -> Self {
        Self::new(303, "<a href>See Other</a>.\n\n").with("Location", path)
    }
    pub(super) fn done() -> Self {
        Self::new(204, "")
    }
    pub(super) fn not_found() -> Self {
        Self::new(404, "Id not found\n")
    }
}

pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts to answer; ends with the test's runtime.
    pub(super) async fn start(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(vec![]));
        let (log, script) = (seen.clone(), Arc::new(Mutex::new(answer)));
        let app = Router::new().fallback(move |request: HttpRequest<Body>| {
            let (log, script) = (log.clone(), script.clone());
            async move {
                let request = read(request).await;
                log.lock().unwrap().push(request.clone());
                let answer = (script.lock().unwrap())(&request);
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.body)).unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }
    /// Answers in this order whatever is asked, then 404.
    pub(super) async fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
        Self::start(move |_| answers.next().unwrap_or_else(Answer::not_found)).await
    }
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
    /// The requests so far, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Request::line).collect()
    }
}

async fn read(request: HttpRequest<Body>) -> Request {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let authorization = head.headers.get("authorization");
    Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        authorization: authorization.map_or("", |v| v.to_str().unwrap()).to_owned(),
    }
}
