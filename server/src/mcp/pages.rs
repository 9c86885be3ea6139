//! Lists in pages, with cursors that say nothing to anyone but this server.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::model::{ErrorData, PaginatedRequestParams};

use super::answer::shown;

/// How many items are on a page. Few servers list more, and few clients ask for
/// a second page.
const SIZE: usize = 250;

/// Part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
}

/// The page of `items` that was asked for. They stand in the order of `key`, and
/// a cursor holds the last one's, so that it is good for a list that has changed
/// meanwhile too.
pub(super) fn page<T>(
    list: &str,
    items: Vec<T>,
    request: Option<PaginatedRequestParams>,
    key: impl Fn(&T) -> &str,
) -> Result<Page<T>, ErrorData> {
    page_of(SIZE, list, items, request.and_then(|request| request.cursor), key)
}

fn page_of<T>(
    size: usize,
    list: &str,
    items: Vec<T>,
    cursor: Option<String>,
    key: impl Fn(&T) -> &str,
) -> Result<Page<T>, ErrorData> {
    let after = cursor.map(|cursor| read(list, &cursor)).transpose()?;
    let mut rest =
        items.into_iter().skip_while(|item| after.as_deref().is_some_and(|after| key(item) <= after));
    let items: Vec<T> = rest.by_ref().take(size).collect();
    let next = if rest.next().is_some() { items.last().map(|last| write(list, key(last))) } else { None };
    Ok(Page { items, next })
}

fn write(list: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list} after {key}"))
}

/// What a cursor of that list holds. One of another list would skip at random.
fn read(list: &str, cursor: &str) -> Result<String, ErrorData> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(list)?.strip_prefix(" after ").map(ToOwned::to_owned))
        .ok_or_else(|| ErrorData::invalid_params(format!("unknown cursor: `{}`", shown(cursor)), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(size: usize, names: &[&'static str]) -> Vec<Vec<&'static str>> {
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = page_of(size, "names", names.to_vec(), cursor, |name| name).unwrap();
            pages.push(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn pages_hold_every_item_once_and_the_last_has_no_cursor() {
        for (names, pages) in [
            (vec![], vec![vec![]]),
            (vec!["a"], vec![vec!["a"]]),
            (vec!["a", "b"], vec![vec!["a", "b"]]),
            (vec!["a", "b", "c"], vec![vec!["a", "b"], vec!["c"]]),
            (vec!["a", "b", "c", "d", "ä"], vec![vec!["a", "b"], vec!["c", "d"], vec!["ä"]]),
        ] {
            assert_eq!(read_all(2, &names), pages);
        }
    }

    #[test]
    fn a_cursor_outlives_what_it_points_at() {
        let first = page_of(2, "names", vec!["a", "c", "e"], None, |name| name).unwrap();
        let next = page_of(2, "names", vec!["a", "b", "d", "e"], first.next, |name| name).unwrap();
        assert_eq!(next, Page { items: vec!["d", "e"], next: None });
    }

    #[test]
    fn a_cursor_that_was_never_given_out_is_named() {
        for cursor in ["", "2", "YQ", "ä"] {
            let error = ErrorData::invalid_params(format!("unknown cursor: `{cursor}`"), None);
            assert_eq!(page_of(2, "names", vec!["a"], Some(cursor.to_owned()), |name| name), Err(error));
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let first = page_of(2, "names", vec!["a", "b", "c"], None, |name| name).unwrap();
        let cursor = first.next.unwrap();
        let error = ErrorData::invalid_params(format!("unknown cursor: `{cursor}`"), None);
        assert_eq!(page_of(2, "colours", vec!["a", "b", "c"], Some(cursor), |name| name), Err(error));
    }
}
