//! One configuration in several files.

use super::*;

/// Files beside the main one.
pub(super) struct Folder(pub(super) Vec<(String, String)>);

impl Environment for Folder {
    fn variable(&self, name: &str) -> Option<String> {
        World.variable(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        if path == Path::new("/etc/mus/more.d/laptop") {
            return Ok(LAPTOP.to_owned());
        }
        World.file(path)
    }

    fn included(&self, pattern: &Path) -> Result<Vec<Included>, String> {
        let pattern = pattern.to_str().unwrap();
        if pattern.contains('?') {
            return Err("it is no pattern".to_owned());
        }
        let Some((start, end)) = pattern.split_once('*') else {
            let file = self.0.iter().find(|(path, _)| path == pattern);
            let text = file.map(|(_, text)| text.clone()).ok_or_else(|| "no such file".to_owned());
            return Ok(vec![Included { path: pattern.into(), text }]);
        };
        let files = self.0.iter().filter(|(path, _)| path.starts_with(start) && path.ends_with(end));
        Ok(files.map(|(path, text)| Included { path: path.into(), text: Ok(text.clone()) }).collect())
    }
}

/// What becomes of a main file at `main`, followed by `++++ PATH` and another
/// file, and so on.
fn compiled_at(main: &str, texts: &str) -> Result<Compiled, Vec<Problem>> {
    let mut texts = texts.split("\n++++ ");
    let source = Source { path: main.into(), text: format!("{}\n", texts.next().unwrap()) };
    let files = texts.map(|text| {
        text.split_once('\n').map_or((text, String::new()), |(path, text)| (path, format!("{text}\n")))
    });
    let files = files.map(|(path, text)| (path.to_owned(), text.replace("¶\n", "")));
    compile(&source, &Folder(files.collect()))
}

fn said(texts: &str) -> String {
    let problems =
        compiled_at("config.yaml", texts).map_or_else(|problems| problems, |compiled| compiled.warnings);
    report(&problems)
}

#[test]
fn problems_of_all_files_are_reported_at_once_each_in_its_place() {
    let mut wrong = String::new();
    for case in include_str!("reports/include.txt").split("\n====").filter(|case| !case.trim().is_empty()) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (texts, expected) = rest.split_once("\n----\n").expect("a report");
        let actual = said(texts);
        if actual.trim_end() != expected.trim_end() {
            wrong.push_str(&format!("==== {}\n{actual}\n\n", title.trim_matches(['=', ' '])));
        }
    }
    assert_eq!(wrong, "", "these reports read differently:\n{wrong}");
}

const MAIN: &str = "version: 1
include: [\"more.d/*.yaml\", ./one.yaml, more.d/a.yaml]
profiles: { reader: { tools: [\"core.*\"] } }
tenants: { research: { tools: [\"*\"] } }
plugins: { dir: ./plugins.d, entries: { core: {} } }";

const MORE: &str = "
++++ more.d/a.yaml
agents: { laptop: { tenant: research, profiles: [reader, writer], token: \"${file:laptop}\" } }
++++ more.d/b.yaml
profiles: { writer: { tools: [\"acme.*\"] } }
tool_limits: { \"acme.*\": { concurrency: 2 } }
plugins: { entries: { acme: {} }, trusted_keys: { bundled: { minisign: installed, plugins: [\"*\"] } } }
++++ one.yaml
tenants: { other: {} }
agents: { reviewer: { tenant: other, token: \"${REVIEWER_TOKEN}\" } }";

#[test]
fn files_together_are_one_configuration() {
    let at = "/etc/mus/config.yaml";
    let more = MORE.replace("++++ ", "++++ /etc/mus/");
    let Compiled { settings, warnings, sources, .. } =
        compiled_at(at, &format!("{MAIN}{more}")).unwrap_or_else(|problems| panic!("{}", report(&problems)));
    assert_eq!(report(&warnings), "");
    let names = |names: Vec<&str>| names.join(" ");
    assert_eq!(names(settings.agents.keys().map(|id| id.as_str()).collect()), "laptop reviewer");
    assert_eq!(names(settings.tenants.keys().map(|id| id.as_str()).collect()), "other research");
    assert_eq!(
        names(settings.plugins.entries.keys().map(|id| id.as_str()).collect()),
        "about acme core database files http llm prompts"
    );
    assert_eq!(names(settings.plugins.trusted_keys.keys().map(|id| id.as_str()).collect()), "bundled");
    assert_eq!(settings.plugins.dir.as_deref(), Some(Path::new("/etc/mus/plugins.d")));
    let limits: Vec<_> = settings.tool_limits.iter().map(ToString::to_string).collect();
    assert_eq!(limits, ["acme.* (concurrency 2)"]);
    let laptop = settings.agents.values().next().unwrap();
    assert!(["core.x", "acme.x"].iter().all(|tool| laptop.grant.tools.cover(tool)));
    let paths: Vec<_> = sources.iter().map(|source| source.path.display().to_string()).collect();
    assert_eq!(
        paths,
        ["", "more.d/a.yaml", "more.d/b.yaml", "one.yaml"].map(|path| match path {
            "" => at.to_owned(),
            path => format!("/etc/mus/{path}"),
        })
    );
}

#[test]
fn the_digest_covers_every_file_and_is_the_one_that_sha256sum_prints() {
    let more = MORE.replace("${file:laptop}", "${LAPTOP_TOKEN}");
    let digest = |texts: &str| compiled_at("config.yaml", texts).map(|compiled| compiled.sha256).unwrap();
    let lines = |texts: &str| {
        let texts = format!("config.yaml\n{texts}");
        let lines = texts.split("\n++++ ").map(|text| {
            let (path, text) = text.split_once('\n').unwrap();
            format!("{}  {path}\n", secrets::hexadecimal(format!("{text}\n").as_bytes()))
        });
        secrets::hexadecimal(lines.collect::<String>().as_bytes())
    };
    let texts = format!("{MAIN}{more}");
    assert_eq!(digest(&texts), lines(&texts));
    assert_ne!(digest(&texts), digest(&texts.replace("other: {}", "other:  {}")));

    let alone = "version: 1\ninclude: [\"more.d/*\"]\ntenants: {}";
    assert_eq!(digest(alone), secrets::hexadecimal(format!("{alone}\n").as_bytes()));
}

#[test]
fn all_files_together_are_bounded() {
    let main = Source { path: "config.yaml".into(), text: "version: 1\ninclude: [a, b]\n".to_owned() };
    let folder =
        Folder(["a", "b"].map(|path| (path.to_owned(), "tenants: { x: {}, y: {} }\n".to_owned())).into());
    for (max_nodes, is_too_much) in [(13, false), (12, true)] {
        let mut files = Files::new(&main);
        let mut parts = Parts::new(crate::config::include::read(&main, "").unwrap());
        parts.max_nodes = max_nodes;
        parts.include(&main, &folder, &mut files);
        assert_eq!(parts.is_too_much, is_too_much, "{max_nodes}");
        let mut report = Report::new(&files, &parts);
        parts.tell(&mut report);
        let words = report
            .finish()
            .iter()
            .map(|problem| format!("{} {}", problem.path.display(), problem.message))
            .collect::<Vec<_>>();
        let expected = ["b with this file, there are more than 12 values"];
        assert_eq!(words, if is_too_much { &expected[..] } else { &[] });
    }
}

/// What is said about a text that is included, by a file with a mistake of its own.
pub(super) fn said_of_included(text: &str) -> Vec<Problem> {
    let main = "version: 1\ninclude: [\"*\"]\ntenants: {}\nagents: { x: 5 }\n".to_owned();
    let folder = Folder(vec![("x.yaml".to_owned(), text.to_owned())]);
    compile(&Source { path: "config.yaml".into(), text: main }, &folder).unwrap_err()
}
