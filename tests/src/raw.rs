//! HTTP by hand over a bare connection, for what no client library would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::wait::within;

/// A bare connection.
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Connection {
        Connection(within("a connection", TcpStream::connect(address)).await.unwrap())
    }

    /// Sends bytes as they are; false when the other side has closed.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Everything that comes until the other side closes.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset after the reply is an end as well.
        let _ = within("the end of the connection", self.0.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends one byte after the other with a pause between, until all are sent or the other side has had enough; then
    /// reads to the end.
    pub async fn trickle(&mut self, bytes: &[u8], pause: Duration) -> String {
        let (mut reader, mut writer) = self.0.split();
        let mut answer = Vec::new();
        let slowly = async {
            for byte in bytes {
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<()>().await
        };
        let read = reader.read_to_end(&mut answer);
        within("the gateway to lose its patience", async {
            tokio::select! { _ = read => (), () = slowly => () }
        })
        .await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The status of a reply; 0 where there is none.
pub fn status(reply: &str) -> u16 {
    reply.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(0)
}
