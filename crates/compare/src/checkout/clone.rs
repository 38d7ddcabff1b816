//! A repository of ours beside the user's: it has the objects of both, and writes only into its own.
//!
//! It is what a clone would be, without a copy of the history. So a build script finds a commit and tags
//! around it. The configuration of the user's repository counts, as that says what filters its files
//! need. Submodules have one each.

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    CheckoutError,
    cache::{key, size_of},
    error::at,
    git::{Repository, WHOLE, answer, git, paths, submodules, text_of},
};

/// The bytes of objects from which on those of earlier working trees are removed.
const OBJECTS_MAX: u64 = 1_000_000_000;

/// The repository of ours.
pub(super) struct LocalClone<'a> {
    /// The user's.
    pub(super) users: Repository<'a>,
    /// Where it is kept.
    directory: PathBuf,
    /// Where it is checked out.
    work_tree: PathBuf,
}

/// What is checked out: the files of the repository, and those of each submodule.
pub(super) struct Source<'a> {
    /// The repositories, each after the one that it is in.
    parts: Vec<LocalClone<'a>>,
    /// Paths of submodules that are nowhere here, and so are empty.
    pub(super) empty: Vec<String>,
}

impl<'a> LocalClone<'a> {
    /// Makes it, or makes it right: of whatever an earlier run left only objects and files that are
    /// checked out are used.
    pub(super) fn of(
        users: Repository<'a>,
        directory: PathBuf,
        work_tree: PathBuf,
    ) -> Result<Self, CheckoutError> {
        let clone = Self { users, directory, work_tree };
        let write = |name: &str, bytes: &[u8]| {
            let path = clone.directory.join(name);
            fs::write(&path, bytes).map_err(at(path))
        };
        clone.borrow_objects()?;
        let refs = clone.directory.join("refs");
        fs::create_dir_all(&refs).map_err(at(refs))?;
        for name in ["index.lock", "HEAD.lock", "packed-refs.lock", "shallow.lock"] {
            // Whoever holds the lock of the builds knows that no git is at work here.
            let _ = fs::remove_file(clone.directory.join(name));
        }
        write("config", &clone.configuration()?)?;
        if !clone.directory.join("HEAD").metadata().is_ok_and(|it| it.len() > 0) {
            write("HEAD", b"ref: refs/heads/none\n")?;
        }
        let tags = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"];
        let tags = clone.users.ask(&tags)?;
        let lines: String = tags.lines().flat_map(|it| [it, "\n"]).collect();
        write("packed-refs", lines.as_bytes())?;
        match fs::read(clone.users.common.join("shallow")) {
            Ok(commits) => write("shallow", &commits)?,
            Err(_) => drop(fs::remove_file(clone.directory.join("shallow"))),
        }
        Ok(clone)
    }

    /// Has git look for objects where the user's are.
    fn borrow_objects(&self) -> Result<(), CheckoutError> {
        let info = self.directory.join("objects/info");
        fs::create_dir_all(&info).map_err(at(&info))?;
        let objects = self.users.common.join("objects");
        let text = [objects.as_os_str().as_bytes(), b"\n"].concat();
        fs::write(info.join("alternates"), text).map_err(at(info))
    }

    /// Removes objects of earlier working trees, once they take much space.
    pub(super) fn forget_objects(&self) -> Result<(), CheckoutError> {
        let objects = self.directory.join("objects");
        if size_of(&objects) < OBJECTS_MAX {
            return Ok(());
        }
        remove(&objects)?;
        self.borrow_objects()
    }

    /// The user's, and what is other here.
    fn configuration(&self) -> Result<Vec<u8>, CheckoutError> {
        let format = self.users.ask(&["rev-parse", "--show-object-format"])?;
        let (version, extension) = match format.as_str() {
            "sha1" => (0, String::new()),
            format => (1, format!("[extensions]\n\tobjectformat = {format}\n")),
        };
        let quoted = |path: &Path| {
            let text = path.as_os_str().as_bytes();
            let escaped = text.iter().flat_map(|byte| match byte {
                b'"' | b'\\' => vec![b'\\', *byte],
                b'\n' => b"\\n".to_vec(),
                byte => vec![*byte],
            });
            [vec![b'"'], escaped.collect(), b"\"\n".to_vec()].concat()
        };
        let core = format!(
            "[core]\n\trepositoryformatversion = {version}\n\tbare = false\n\tlogallrefupdates = \
             false\n\tsparsecheckout = false\n\tfsmonitor = false\n{extension}[core]\n\tworktree = "
        );
        let users = self.users.common.join("config");
        Ok([
            b"[include]\n\tpath = ".to_vec(),
            quoted(&users),
            core.into_bytes(),
            quoted(&self.work_tree),
        ]
        .concat())
    }

    /// That of a submodule at this path, whose repository is the user's.
    pub(super) fn submodule<'s>(
        &self,
        path: &str,
        users: Repository<'s>,
    ) -> Result<LocalClone<'s>, CheckoutError> {
        let directory = self.directory.join("modules").join(&key([path.as_bytes()])[..16]);
        LocalClone::of(users, directory, self.work_tree.join(path))
    }

    /// Has a command of git in the user's repository write its objects here.
    pub(super) fn writing<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("GIT_OBJECT_DIRECTORY", self.directory.join("objects"))
    }

    /// Git in the user's repository, with filters that keep what they write here.
    pub(super) fn users_git(&self) -> Command {
        let mut command = self.users.git();
        let mut storage = std::ffi::OsString::from("lfs.storage=");
        storage.push(self.directory.join("lfs"));
        command.arg("-c").arg(storage);
        command
    }

    /// Makes the directory exactly this commit with its submodules, whatever is left there of an
    /// earlier one. `reference` is what the user calls it.
    ///
    /// # Errors
    ///
    /// Also when a submodule is here and not this commit of it, and when a file is a pointer of git LFS.
    pub(super) fn check_out(
        self,
        object: &str,
        reference: &str,
    ) -> Result<Source<'a>, CheckoutError> {
        let mut source = Source { parts: Vec::new(), empty: Vec::new() };
        self.check_out_into(&mut source, (object, reference), Path::new(""))?;
        Ok(source)
    }

    fn check_out_into(
        self,
        source: &mut Source<'a>,
        (object, reference): (&str, &str),
        below: &Path,
    ) -> Result<(), CheckoutError> {
        if self.update(object).is_err() {
            self.wipe()?;
            self.update(object)?;
        }
        if let Some(file) = self.pointer()? {
            // Git would take it for unchanged, also when its content is here.
            self.wipe()?;
            let file = below.join(file).display().to_string();
            return Err(CheckoutError::Pointer { reference: reference.to_owned(), file });
        }
        let names = self.names_of_submodules()?;
        let listed = self.ask(&["ls-files", "--stage", "-z"])?;
        let position = source.parts.len();
        source.parts.push(self);
        for submodule in submodules(&listed) {
            let this = &source.parts[position];
            let path = submodule.path.as_str();
            let at_path = below.join(path).display().to_string();
            let name = names.iter().find(|it| it.path == path).map(|it| it.name.as_str());
            let Some(users) = this.users.submodule(path, name)? else {
                this.empty(path)?;
                source.empty.push(at_path);
                continue;
            };
            let inner = this.submodule(path, users)?;
            if !inner.has(&submodule.commit)? {
                return Err(CheckoutError::NoSubmoduleCommit {
                    reference: reference.to_owned(),
                    path: at_path,
                    commit: submodule.commit,
                });
            }
            inner.check_out_into(source, (&submodule.commit, reference), Path::new(&at_path))?;
        }
        Ok(())
    }

    fn update(&self, object: &str) -> Result<(), CheckoutError> {
        fs::create_dir_all(&self.work_tree).map_err(at(&self.work_tree))?;
        self.ask(&["checkout", "--quiet", "--detach", "--force", object])?;
        self.ask(&["clean", "--quiet", "-ffdx"])?;
        // For build scripts, which ask git where they are.
        let pointer = self.work_tree.join(".git");
        let text = [b"gitdir: ", self.directory.as_os_str().as_bytes(), b"\n"].concat();
        fs::write(&pointer, text).map_err(at(pointer))
    }

    /// Removes what is checked out.
    fn wipe(&self) -> Result<(), CheckoutError> {
        let _ = fs::remove_file(self.directory.join("index"));
        remove(&self.work_tree)
    }

    /// Leaves a submodule without files, as it is in a clone.
    fn empty(&self, path: &str) -> Result<(), CheckoutError> {
        let directory = self.work_tree.join(path);
        remove(&directory)?;
        fs::create_dir_all(&directory).map_err(at(directory))
    }

    /// Whether a commit is here.
    fn has(&self, commit: &str) -> Result<bool, CheckoutError> {
        let mut command = self.git();
        let kind = self.users.runner.run_quietly(command.args(["cat-file", "-t", commit]))?;
        Ok(kind.status.success())
    }

    /// A file that git LFS has not put its content into.
    fn pointer(&self) -> Result<Option<PathBuf>, CheckoutError> {
        const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
        if std::env::var_os("GIT_LFS_SKIP_SMUDGE").is_some_and(|it| it != "0" && !it.is_empty()) {
            return Ok(None);
        }
        let kept = self.ask(&["ls-files", "-z", "--", ":(attr:filter=lfs)"])?;
        let is_pointer = |path: &PathBuf| {
            let path = self.work_tree.join(path);
            let is_small = fs::symlink_metadata(&path).is_ok_and(|it| it.len() < 1_024);
            is_small && fs::read(path).is_ok_and(|bytes| bytes.starts_with(POINTER))
        };
        Ok(paths(&kept).find(is_pointer))
    }

    fn names_of_submodules(&self) -> Result<Vec<NamedSubmodule>, CheckoutError> {
        let file = self.work_tree.join(".gitmodules");
        if !file.exists() {
            return Ok(Vec::new());
        }
        let mut command = git();
        command.args(["config", "--null", "--file"]).arg(file);
        command.args(["--get-regexp", r"^submodule\..*\.path$"]);
        let finished = self.users.runner.run_quietly(&mut command)?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let of = |entry: &str| {
            let (name, path) = entry.split_once('\n')?;
            let name = name.strip_prefix("submodule.")?.strip_suffix(".path")?;
            Some(NamedSubmodule { name: name.to_owned(), path: path.to_owned() })
        };
        Ok(text.split('\0').filter_map(of).collect())
    }

    fn git(&self) -> Command {
        let mut command = git();
        command.args(WHOLE).arg("--git-dir").arg(&self.directory);
        command.arg("--work-tree").arg(&self.work_tree).current_dir(&self.work_tree);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, CheckoutError> {
        answer(self.users.runner, arguments[0], self.git().args(arguments))
    }

    /// The paths of files that differ between two trees.
    pub(super) fn changed(&self, before: &str, after: &str) -> Result<Vec<PathBuf>, CheckoutError> {
        let listed =
            self.ask(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after])?;
        Ok(paths(&listed).collect())
    }

    /// The commit that is made of a tree, whoever makes it and whenever.
    pub(super) fn commit_of(&self, tree: &str, parent: &str) -> Result<String, CheckoutError> {
        let mut command = self.users.git();
        command.args(["commit-tree", tree, "-p", parent, "-m", "working tree"]);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "passport")
                .env(format!("GIT_{role}_EMAIL"), "passport@localhost")
                .env(format!("GIT_{role}_DATE"), "@0 +0000");
        }
        let object = answer(self.users.runner, "commit-tree", self.writing(&mut command))?;
        Ok(text_of(&object))
    }
}

struct NamedSubmodule {
    name: String,
    path: String,
}

impl Source<'_> {
    /// The files of these names that are checked out, as paths; those of submodules too.
    pub(super) fn files(&self, patterns: &[&str]) -> Result<Vec<PathBuf>, CheckoutError> {
        let mut files = Vec::new();
        for part in &self.parts {
            let listed = part.ask(&[&["ls-files", "-z", "--"], patterns].concat())?;
            files.extend(paths(&listed).map(|path| part.work_tree.join(path)));
        }
        Ok(files)
    }

    /// Copies what is checked out, as it is in git.
    pub(super) fn export(&self, copy: &Path) -> Result<(), CheckoutError> {
        let top = &self.parts[0].work_tree;
        for part in &self.parts {
            let below = part.work_tree.strip_prefix(top).unwrap_or(Path::new(""));
            let mut prefix = std::ffi::OsString::from("--prefix=");
            prefix.push(copy.join(below).join(""));
            let mut command = part.git();
            command.args(["checkout-index", "--all"]).arg(prefix);
            answer(part.users.runner, "checkout-index", &mut command)?;
        }
        Ok(())
    }
}

fn remove(directory: &Path) -> Result<(), CheckoutError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(directory)(error)),
        _ => Ok(()),
    }
}
