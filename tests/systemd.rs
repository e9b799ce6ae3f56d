//! The service manager: notifications to a socket in the place of systemd's, and a listening socket from it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use crate::harness::{PATIENCE, Pki, Running, within};

/// Returns the next message that is not one of the watchdog.
fn message(socket: &UnixDatagram) -> String {
    loop {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if text != "WATCHDOG=1\n" {
            return text;
        }
    }
}

#[test]
fn a_server_reports_its_start_its_reloads_its_stop_and_that_it_runs() {
    let pki = Pki::new();
    let path = pki.folder.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(pki.options()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut server = Running::of(command);
    assert_eq!(message(&socket), "READY=1\n");
    let mut buffer = [0; 64];
    for _ in 0..3 {
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
    }
    server.signal("HUP");
    let reloading = message(&socket);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(message(&socket), "READY=1\n");
    within(|| pki.log().contains("The certificates were read again").then_some(()));
    server.signal("TERM");
    assert_eq!(message(&socket), "STOPPING=1\n");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_server_serves_the_socket_of_its_socket_unit() {
    let pki = Pki::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A client that connects before the server starts waits for it.
    let mut early = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_run_server")]).args(pki.options());
    let child = command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::piped()).spawn().unwrap();
    let mut server = Running { child, port, stdout: None };
    let mut client = pki.connect(port, &pki.client);
    assert!(client.exchange(&crate::harness::request(8)).is_ok());
    early.write_all(b"SSH-2.0-test\r\n").unwrap();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(early.read(&mut [0; 64]).is_ok());
    drop(client);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut line = String::new();
    server.child.stdout.take().unwrap().read_to_string(&mut line).unwrap();
    assert!(line.starts_with(&format!("Listening on {port} ")), "{line}");
}
