//! An HTTP/2 client that is not polite: it decides how much of its answers it takes, and answers every PING.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{
    SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::wait::within;

/// One connection.
pub struct Peer {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<()>,
    /// What was asked and is not given up.
    asked: Vec<(ResponseFuture, SendStream<Bytes>)>,
}

impl Peer {
    /// Connects, and opens a window of this size in bytes for each answer. It is never opened further.
    pub async fn connect(address: SocketAddr, window_bytes: u32) -> Peer {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(window_bytes);
        let (sender, connection) = within("a handshake", builder.handshake(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Peer { sender, connection, asked: Vec::new() }
    }

    /// Sends a head, and with `ends` the end of the request; false when the connection takes no more.
    pub async fn ask(&mut self, request: Request<()>, ends: bool) -> bool {
        let Ok(mut sender) = self.sender.clone().ready().await else { return false };
        let asked = sender.send_request(request, ends);
        asked.map(|asked| self.asked.push(asked)).is_ok()
    }

    /// Takes the request back that was sent last.
    pub fn reset_last(&mut self) {
        if let Some((_, mut stream)) = self.asked.pop() {
            stream.send_reset(h2::Reason::CANCEL);
        }
    }

    /// Waits for the heads of all answers; the statuses.
    pub async fn statuses(&mut self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for (answer, _) in &mut self.asked {
            statuses.push(within("the head of an answer", answer).await.map_or(0, |answer| answer.status().as_u16()));
        }
        statuses
    }

    /// How many requests the gateway lets the connection have under way at once, once it has answered one.
    pub fn streams_max(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// Whether the connection is open.
    pub fn is_open(&self) -> bool {
        !self.connection.is_finished()
    }

    /// Waits until the gateway has ended the connection.
    pub async fn ended(&mut self) {
        within("the end of the connection", &mut self.connection).await.unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
