//! Key servers that no client should trust.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Answers every connection in the same bad way.
pub struct BadServer {
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Manner {
    /// Says nothing.
    Hanging,
    /// Says that a gigabyte is coming, and sends it.
    Gigabyte,
    /// Says nothing of the length, and sends without end.
    Endless,
}

impl BadServer {
    pub async fn hanging() -> BadServer {
        BadServer::start(Manner::Hanging).await
    }

    pub async fn gigabyte() -> BadServer {
        BadServer::start(Manner::Gigabyte).await
    }

    pub async fn endless() -> BadServer {
        BadServer::start(Manner::Endless).await
    }

    async fn start(manner: Manner) -> BadServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // It ends when the other side has had enough.
                tokio::spawn(async move { answer(stream, manner).await.ok() });
            }
        });
        BadServer { address, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}/certs", self.address)
    }
}

impl Drop for BadServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await?;
    let length = match manner {
        Manner::Hanging => std::future::pending().await,
        Manner::Gigabyte => "content-length: 1073741824\r\n",
        Manner::Endless => "connection: close\r\n",
    };
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes()).await?;
    loop {
        stream.write_all(&[b'x'; 16 * 1024]).await?;
    }
}
