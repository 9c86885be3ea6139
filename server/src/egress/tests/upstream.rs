//! A server on the loopback that answers what a test tells it, well-behaved or not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What a client sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// `GET /path HTTP/1.1`.
    pub(crate) line: String,
    /// As sent, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection of the server's it came on.
    pub(crate) connection: usize,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// How to answer.
pub(crate) enum Reply {
    /// With these bytes, and more requests may come.
    Bytes(Vec<u8>),
    /// With these bytes, and then with one more every so often, for ever.
    Trickle(Vec<u8>, Duration),
    /// Not at all, for ever.
    Silence,
    /// By closing the connection.
    Close,
}

/// An answer with a body.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Reply {
    with(200, &[], body)
}

/// An answer with a status, headers and a body.
pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

/// A redirect.
pub(crate) fn moved(status: u16, location: &str) -> Reply {
    with(status, &[("location", location)], "")
}

/// A server, and what it received.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Upstream {
    pub(crate) fn serve(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve_at("127.0.0.1:0", reply)
    }

    pub(crate) fn serve_at(
        address: &str,
        reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
        };
        let (this, reply) = (upstream.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let number = {
                    let mut connections = this.connections.lock().unwrap();
                    *connections += 1;
                    *connections
                };
                this.open.lock().unwrap().extend(stream.try_clone());
                let (this, reply) = (this.clone(), reply.clone());
                thread::spawn(move || {
                    let end = stream.try_clone();
                    this.converse(stream, number, &*reply);
                    // There are other handles of it.
                    let _ = end.and_then(|stream| stream.shutdown(Shutdown::Both));
                });
            }
        });
        upstream
    }

    /// What it received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Closes every connection.
    pub(crate) fn hang_up(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    fn converse(
        &self,
        stream: TcpStream,
        connection: usize,
        reply: &dyn Fn(&Received) -> Reply,
    ) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let received = read(&mut reader, connection)?;
            self.received.lock().unwrap().push(received.clone());
            match reply(&received) {
                Reply::Bytes(bytes) => stream.write_all(&bytes).ok()?,
                Reply::Trickle(bytes, every) => {
                    stream.write_all(&bytes).ok()?;
                    while stream.write_all(b"x").is_ok() {
                        thread::sleep(every);
                    }
                    return None;
                }
                Reply::Silence => {
                    // Until the client goes.
                    let _ = reader.read(&mut [0]);
                    return None;
                }
                Reply::Close => return None,
            }
        }
    }
}

fn read(reader: &mut impl BufRead, connection: usize) -> Option<Received> {
    let mut received = Received { connection, ..Received::default() };
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    received.line = line.trim_end().to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        received.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    received.body = String::from_utf8_lossy(&body).into_owned();
    Some(received)
}
