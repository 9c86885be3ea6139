//! From files to trees.

use std::{
    collections::BTreeMap,
    num::NonZero,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::config::{
    Problem, Source,
    files::text_of,
    page::Page,
    report::Report,
    tree::{Kind, Node},
    yaml::{self, Refusal},
};

/// What came of reading a file.
pub(super) struct Read {
    /// The tree, in its place in the whole text; or why there is none.
    pub(super) tree: Tree,
    /// How many values there are.
    pub(super) nodes: usize,
    pub(super) has_duplicates: bool,
}

type Tree = Result<Node, Box<Problem>>;

/// Reads files that start at these bytes, on as many threads as help, which do
/// all that can be done to a tree by itself. Those after so many values are
/// left out.
pub(super) fn read_all(sources: &[Source], starts: &[usize], max_nodes: usize) -> BTreeMap<usize, Read> {
    let next = AtomicUsize::new(0);
    let nodes = AtomicUsize::new(0);
    let read_some = || {
        let mut all = Vec::new();
        while nodes.load(Ordering::Relaxed) <= max_nodes {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(source), Some(start)) = (sources.get(index), starts.get(index)) else { break };
            let read = Read::new(source, *start);
            nodes.fetch_add(read.nodes, Ordering::Relaxed);
            all.push((index, read));
        }
        all
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(sources.len());
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(read_some)).collect();
        let mut all = BTreeMap::from_iter(read_some());
        for helper in helpers {
            all.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    })
}

impl Read {
    fn new(source: &Source, start: usize) -> Self {
        let mut tree = read(source, "write `agents: {}` to have none in it, or remove the file");
        let (mut nodes, mut has_duplicates) = (0, false);
        if let Ok(tree) = &mut tree {
            tree.shift(start);
            nodes = tree.count();
            has_duplicates = tree.has_duplicates();
        }
        Self { tree, nodes, has_duplicates }
    }
}

/// The tree of a file, if it can be one of a configuration's. `begin` says what
/// an empty one lacks.
pub(in crate::config) fn read(source: &Source, begin: &'static str) -> Tree {
    let page = Page::new(text_of(source));
    tree(&page, begin).map_err(|refusal| Box::new(Report::refusal(&source.path, &page, &refusal)))
}

fn tree(page: &Page<'_>, begin: &'static str) -> Result<Node, Refusal> {
    let text = page.text();
    let refusal =
        |at: usize, code, message: &str, help| Refusal { at, code, message: message.to_owned(), help };
    if text.len() > yaml::MAX_BYTES {
        return Err(refusal(0, "too_large", "the file is larger than 1 MiB", None));
    }
    if let Some(at) = text.find('\0') {
        return Err(refusal(at, "invalid_yaml", "there is a NUL byte, so this is no text file", None));
    }
    let tree = yaml::read(page)?;
    match &tree.kind {
        Kind::Map(_) => Ok(tree),
        Kind::Null => Err(refusal(0, "empty", "the file holds no configuration", Some(begin))),
        _ => {
            let message = format!("the file holds {}, not a mapping", tree.describe());
            Err(refusal(tree.span.bytes.start, "wrong_type", &message, Some(begin)))
        }
    }
}
