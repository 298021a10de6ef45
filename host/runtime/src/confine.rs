//! Takes everything from the compiling process that it does not need, before it reads a byte of what it is to compile: a compiler
//! that is talked into running somebody's code finds no files, no network, no other process and little memory.

use std::{collections::BTreeMap, fs, io};

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds of CPU, over all its threads.
    pub cpu_seconds: u64,
    /// Bytes of the component.
    pub component: u64,
    /// Wall time.
    pub deadline: std::time::Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        let deadline = std::time::Duration::from_secs(180);
        Self { memory: 512 << 20, cpu_seconds: 60, component: 32 << 20, deadline }
    }
}

/// Calls that are of no use to a compiler: files, network, programs, other processes, the kernel's own machinery.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_memfd_create,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_setuid,
    libc::SYS_setgid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Confines this process for good. The error says which step the kernel refused; a kernel without landlock is no error.
pub(crate) fn confine(limits: &CompileLimits) -> Result<(), String> {
    let failed =
        |what: &str, e: &dyn std::fmt::Display| format!("the compiling process cannot be confined: {what}: {e}");
    close_inherited().map_err(|e| failed("closing descriptors", &e))?;
    let limit = |resource, value| {
        let same = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, same).map_err(|e| failed("setting limits", &e))
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Cpu, limits.cpu_seconds)?;
    limit(Resource::Data, limits.memory)?;
    // Address space is reserved more generously than it is used: thread stacks, and guard pages around them.
    limit(Resource::As, limits.memory.saturating_mul(4))?;
    rustix::thread::set_no_new_privs(true).map_err(|e| failed("no_new_privs", &e))?;
    no_files().map_err(|e| failed("landlock", &e))?;
    let program = filter().map_err(|e| failed("building the seccomp filter", &e))?;
    seccompiler::apply_filter(&program).map_err(|e| failed("seccomp", &e))
}

/// Whatever a careless parent left open beside stdin, stdout and stderr.
fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    // The one that was just read is among them, and closed already.
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// No file may be opened, made or run. Kernels before 5.13 have no landlock; seccomp refuses the calls there too.
fn no_files() -> Result<(), landlock::RulesetError> {
    use landlock::{ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _};
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .create()?
        .restrict_self()
        .map(drop)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|call| (*call, vec![])).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, process::Command};

    const PROBE: &str = "MOTET_CONFINE_PROBE";

    /// Does nothing unless it is started for that by the test below: confinement cannot be undone.
    #[test]
    fn probe() {
        if std::env::var_os(PROBE).is_none() {
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let before = fs::read_dir("/proc/self/fd").unwrap().count();
        confine(&CompileLimits { memory: 256 << 20, ..CompileLimits::default() }).unwrap();
        // Threads and memory are what a compiler lives on.
        let sum = std::thread::spawn(|| vec![1_u8; 8 << 20].iter().map(|b| u64::from(*b)).sum::<u64>()).join().unwrap();
        println!("threads {sum}");
        println!("inherited {}", before > 4 && nix::unistd::close(3).is_err());
        println!("file {}", fs::read("/etc/hostname").is_err());
        println!("write {}", fs::write("/tmp/motet-confined", "x").is_err());
        println!("network {}", std::net::TcpStream::connect(address).is_err());
        println!("program {}", Command::new("/bin/true").status().is_err());
        println!("memory {}", Vec::<u8>::new().try_reserve_exact(300 << 20).is_err());
    }

    #[test]
    fn what_is_confined_has_threads_and_memory_and_nothing_else() {
        let exe = std::env::current_exe().unwrap();
        let output = Command::new(exe)
            .args(["--exact", "confine::tests::probe", "--nocapture", "--test-threads=1"])
            .env(PROBE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        for line in [
            "threads 8388608",
            "inherited true",
            "file true",
            "write true",
            "network true",
            "program true",
            "memory true",
        ] {
            assert!(text.contains(line), "{line}: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
