//! A DNS server on the loopback that answers what a test tells it.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};

/// What names lead to. A name answers with the first of its lists until it has been
/// asked for its A records, then with the next; the last one stays.
#[derive(Clone, Default)]
pub(crate) struct Zone(Arc<Mutex<HashMap<String, Vec<Vec<Answer>>>>>);

/// One record of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Address(IpAddr),
    Alias(&'static str),
}

impl Zone {
    /// What a name leads to.
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        self.then(name, &[addresses]);
    }

    /// What a name leads to, one list after the other.
    pub(crate) fn then(&self, name: &str, lists: &[&[&str]]) {
        let address = |text: &&str| Answer::Address(text.parse().unwrap());
        let lists = lists.iter().map(|list| list.iter().map(address).collect()).collect();
        self.0.lock().unwrap().insert(format!("{name}."), lists);
    }

    /// A name that is another one.
    pub(crate) fn alias(&self, name: &str, other: &'static str) {
        self.0.lock().unwrap().insert(format!("{name}."), vec![vec![Answer::Alias(other)]]);
    }

    /// Begins to answer; the thread ends with the process.
    pub(crate) fn serve(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let zone = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                if let Ok(query) = Message::from_vec(&buffer[..length]) {
                    let _ = socket.send_to(&zone.answer(query).to_vec().unwrap(), client);
                }
            }
        });
        address
    }

    fn answer(&self, query: Message) -> Message {
        let mut response = Message::response(query.metadata.id, query.metadata.op_code);
        response.metadata.message_type = MessageType::Response;
        response.metadata.recursion_available = true;
        let Some(asked) = query.queries.first().cloned() else { return response };
        response.add_query(asked.clone());
        let mut zone = self.0.lock().unwrap();
        let mut name = asked.name().to_lowercase();
        loop {
            let Some(lists) = zone.get_mut(&name.to_string()) else {
                response.metadata.response_code = ResponseCode::NXDomain;
                return response;
            };
            let answers = lists[0].clone();
            // A look-up asks for A and AAAA, in no order: the lists are for those who ask for A.
            if lists.len() > 1 && asked.query_type() == RecordType::A {
                lists.remove(0);
            }
            let mut next = None;
            for answer in answers {
                let data = match answer {
                    Answer::Address(IpAddr::V4(v4)) if asked.query_type() == RecordType::A => RData::A(A(v4)),
                    Answer::Address(IpAddr::V6(v6)) if asked.query_type() == RecordType::AAAA => {
                        RData::AAAA(AAAA(v6))
                    }
                    Answer::Address(_) => continue,
                    Answer::Alias(other) => {
                        let other = Name::from_ascii(format!("{other}.")).unwrap();
                        next = Some(other.clone());
                        RData::CNAME(CNAME(other))
                    }
                };
                // Not to be kept: the next look-up asks again.
                response.add_answer(Record::from_rdata(name.clone(), 0, data));
            }
            match next {
                Some(other) => name = other,
                None => return response,
            }
        }
    }
}
