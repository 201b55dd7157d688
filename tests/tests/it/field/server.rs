//! A destination that answers as a case says, badly too.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Instant, SystemTime},
};

use serde_json::{Value, json};

use super::{case::Answer, request::fill};

/// It runs until the test's process ends.
pub struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Message>>>,
}

/// A message.
#[derive(Clone)]
pub struct Message {
    pub at: Instant,
    /// `{ headers, body, path }`, the body as JSON where it is that.
    pub shown: Value,
}

impl Server {
    pub fn start(answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = received.clone();
        thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (shared, answers) = (shared.clone(), answers.clone());
                thread::spawn(move || serve(stream, &shared, &answers));
            }
        });
        Server { address, received }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn received(&self) -> Vec<Message> {
        self.received.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection.
fn serve(stream: TcpStream, received: &Mutex<Vec<Message>>, answers: &[Answer]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(message) = read(&mut reader) {
        let number = {
            let mut received = received.lock().unwrap();
            received.push(message);
            received.len() - 1
        };
        let fine = Answer {
            status: 200,
            headers: Default::default(),
            body: String::new(),
            announce: None,
            stall: 0.0,
            close_after: false,
            close_without_answer: false,
        };
        let answer = answers.get(number).or(answers.last()).cloned().unwrap_or(fine);
        if answer.close_without_answer {
            return;
        }
        let length = answer.announce.unwrap_or(answer.body.len());
        let mut text = format!("HTTP/1.1 {} Answer\r\ncontent-length: {length}\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {}\r\n", fill(value, SystemTime::now())));
        }
        text.push_str(&format!("\r\n{}", answer.body));
        if stream.write_all(text.as_bytes()).is_err() || answer.close_after {
            return;
        }
        if answer.stall > 0.0 {
            // The rest never comes; the client ends it.
            let _ = reader.read(&mut [0]);
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Message> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = json!({});
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers[name.to_lowercase()] = value.trim().into();
    }
    let length = headers["content-length"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    Some(Message { at: Instant::now(), shown: json!({ "headers": headers, "body": body, "path": path }) })
}
