//! Columns of text for people.

use std::io::{self, Write};

/// Writes rows under headings, each column as wide as its widest cell.
pub(super) fn write<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<_> = [headings.map(str::to_owned)].into_iter().chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["core".to_owned(), "2".to_owned()], ["überlang".to_owned(), String::new()]];
        write(["NAME", "TOOLS"], rows, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME      TOOLS\ncore      2\nüberlang\n");
    }
}
