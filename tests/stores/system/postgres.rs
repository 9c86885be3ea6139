//! A server of PostgreSQL of one's own.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::support::eventually;

/// The password of every role here.
pub(crate) const PASSWORD: &str = "pässword with a 'quote' and a $";

/// What there is to be read, and not to be read.
const SETUP: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric(10,2));
    INSERT INTO orders VALUES (1, 'Ada', 10.5), (2, 'Grace', NULL);
    CREATE TABLE secrets (secret text);
    INSERT INTO secrets VALUES ('secret');
    CREATE SEQUENCE numbers;
    CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN INSERT INTO orders VALUES (7, 'by function', 1); RETURN 7; END $$;
    CREATE FUNCTION turns_and_writes() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO orders VALUES (8, 'x', 1); RETURN 8; END $$;
    CREATE PROCEDURE commits(INOUT x int) LANGUAGE plpgsql AS
        $$ BEGIN COMMIT; INSERT INTO orders VALUES (9, 'x', 1); END $$;
    CREATE ROLE reader LOGIN PASSWORD :'password';
    GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO reader;
    GRANT ALL ON SEQUENCE numbers TO reader;
    CREATE ROLE strong LOGIN PASSWORD :'password';
    GRANT pg_read_server_files TO strong;
    CREATE ROLE boss LOGIN SUPERUSER PASSWORD :'password';
";

/// The server, ended when dropped. It listens on a port and on a socket.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        own(folder.path());
        own(&folder.path().join("password"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Self { port, folder, child: None };
        let made = postgres
            .command("initdb")
            .args(["--username=admin", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--no-locale"])
            .arg("--pwfile")
            .arg(postgres.path("password"))
            .arg("--pgdata")
            .arg(postgres.path("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.begin(&[]);
        postgres.sql_in("postgres", "CREATE DATABASE sales");
        postgres.sql(SETUP);
        postgres
    }

    /// Starts the server, with more settings.
    pub(crate) fn begin(&mut self, settings: &[&str]) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.path("data")).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-c", "fsync=off"]);
        settings.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        let log = fs::File::create(self.path("log")).unwrap();
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        eventually("PostgreSQL to let somebody in", || {
            self.psql("postgres", "SELECT 1").status.success().then_some(())
        });
    }

    /// Ends it at once, with all of its connections.
    pub(crate) fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The first line of the file is the id of the process that is ours.
            let id = fs::read_to_string(self.path("data/postmaster.pid")).unwrap_or_default();
            if let Some(id) = id.lines().next() {
                let _ = Command::new("kill").args(["-QUIT", id]).status();
            }
            let _ = child.wait();
        }
    }

    /// Where `sales` is, for a role.
    pub(crate) fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/sales", self.port)
    }

    /// The same, behind the socket.
    pub(crate) fn socket_url(&self, role: &str) -> String {
        format!("postgres:///sales?host={}&port={}&user={role}", self.folder.path().display(), self.port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the administrator gets from a statement.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.sql_in("sales", sql)
    }

    /// How many connections the role has.
    pub(crate) fn connections(&self) -> String {
        self.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> std::process::Output {
        use std::io::Write;

        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "admin", "-d", database])
            .args(["-v", &format!("password={PASSWORD}"), "-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql: install PostgreSQL from Debian's packages");
        psql.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        psql.wait_with_output().unwrap()
    }

    /// A program of the server's. None of them runs as root.
    fn command(&self, program: &str) -> Command {
        let path = programs().join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

/// The newest of those that are installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("install PostgreSQL from Debian's packages");
    let newest = versions.map(|version| version.unwrap().path()).max().unwrap();
    newest.join("bin")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// Gives a file to the user that the server runs as.
pub(crate) fn own(path: &Path) {
    if is_root() {
        assert!(Command::new("chown").arg("postgres:postgres").arg(path).status().unwrap().success());
    }
}
