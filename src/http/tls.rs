//! A listener that speaks TLS: handshakes side by side, so that a client that is slow, or silent,
//! keeps nobody waiting.
use super::certificate::Certificate;
use axum::serve::Listener;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Handshakes at the same time; whoever comes then waits for one to end, in the kernel's queue.
const AT_ONCE: usize = 512;
/// The longest that a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What Go's server says to a client that speaks HTTP where TLS is spoken.
const IN_CLEAR: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Accepts connections of TLS only.
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// Listens here, with this certificate.
    ///
    /// # Errors
    /// As [`Certificate::server`].
    pub fn new(tcp: TcpListener, certificate: &Arc<Certificate>) -> Result<Self, rustls::Error> {
        let acceptor = TlsAcceptor::from(certificate.server()?);
        Ok(Self { tcp, acceptor, handshakes: JoinSet::new() })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// # Cancel safety
    /// Nothing is lost: handshakes go on by themselves.
    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.tcp),
                    if self.handshakes.len() < AT_ONCE =>
                {
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(async move {
                        let stream = handshake(&acceptor, stream, peer).await?;
                        Some((stream, peer))
                    });
                }
                Some(done) = self.handshakes.join_next() => if let Ok(Some(accepted)) = done {
                    return accepted;
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// None when the client does not get that far, which is told to whoever looks for it.
async fn handshake(
    acceptor: &TlsAcceptor,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    let shaking = async {
        let mut first = [0];
        // A record of TLS never begins with a letter, a request of HTTP always does.
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            stream.write_all(IN_CLEAR).await?;
            stream.shutdown().await?;
            return Err(io::Error::other("a request in clear text"));
        }
        acceptor.accept(stream).await
    };
    match tokio::time::timeout(PATIENCE, shaking).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection"),
        Err(_) => tracing::debug!(%peer, "no TLS connection within {} s", PATIENCE.as_secs()),
    }
    None
}
