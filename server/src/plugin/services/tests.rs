use std::sync::Mutex;
