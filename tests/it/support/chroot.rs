//! A system to install packages in, thrown away afterwards: a root directory whose changes go to memory, over this
//! machine's own files or over those of `DOORWARD_PACKAGE_ROOT`, a directory that debootstrap made.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::programs::{self, Needs};

/// What a login of root has on Debian.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Mounts what is needed at `$1`, where only this process and those that join it see it. `$2` has the files to begin
/// with. What a directory mounted below holds is not among them, so `/run` is empty: systemd seems not to run.
const MOUNT: &str = r#"
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount --bind /proc "$1/root/proc"
rm -rf "$1/root/run/systemd" "$1/root/usr/sbin/policy-rc.d"
echo mounted
exec sleep infinity
"#;

pub struct Chroot {
    /// Its mounts end with it.
    holder: Child,
    root: PathBuf,
    _dir: TempDir,
}

impl Chroot {
    /// None if this user may not do that here.
    pub fn make() -> Option<Self> {
        for (program, package) in [
            ("setpriv", "util-linux"),
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
            ("dpkg", "dpkg"),
        ] {
            programs::command(program, Needs::Apt(package))?;
        }
        let files = std::env::var("DOORWARD_PACKAGE_ROOT").unwrap_or_else(|_| "/".to_owned());
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-c", MOUNT, "sh"])
            .args([dir.path().as_os_str(), OsStr::new(&files)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut holder = programs::start(command);
        let mut said = [0; 8];
        if holder.stdout.take().unwrap().read_exact(&mut said).is_err() {
            let mut why = String::new();
            holder.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            holder.wait().unwrap();
            programs::privileged("mounting a root directory of its own", why.trim());
            return None;
        }
        Some(Self { holder, root: dir.path().join("root"), _dir: dir })
    }

    /// A program in it, as root, with nothing else in its environment than a path.
    pub fn command(&self, program: &str) -> Command {
        self.inside(&[], program)
    }

    /// The same as another user.
    pub fn as_user(&self, user: &str, program: &str) -> Command {
        self.inside(&[&format!("--userspec={user}:{user}")], program)
    }

    fn inside(&self, options: &[&str], program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .arg("chroot")
            .args(options)
            .arg(&self.root)
            .args(["env", "-i", PATH, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs a script of the shell, which must succeed; returns what it printed.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let output = self.command("sh").args(["-euc", script]).output().unwrap();
        let said = both(&output);
        assert!(output.status.success(), "{script}: {said}");
        said
    }

    #[track_caller]
    pub fn fails(&self, script: &str) {
        let output = self.command("sh").args(["-euc", script]).output().unwrap();
        assert!(!output.status.success(), "{script}: {}", both(&output));
    }

    /// Writes a file of this machine there.
    #[track_caller]
    pub fn copy(&self, from: &std::path::Path, to: &str) {
        let file = std::fs::File::open(from).unwrap();
        let copied = self.command("sh").args(["-c", &format!("cat > {to}")]).stdin(file).status().unwrap();
        assert!(copied.success());
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn both(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}
