//! A real S3 server in process: it verifies signatures and checksums, and keeps objects in files.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;

use crate::servers::Scratch;

pub const BUCKET: &str = "scenarios";
pub const ACCESS_KEY: &str = "AKIATALLYHO";
pub const SECRET_KEY: &str = "not-a-secret";

/// The server and its one bucket; it ends with the test's process.
pub struct Bucket {
    folder: Scratch,
    pub address: SocketAddr,
}

impl Bucket {
    pub fn start(name: &str) -> Self {
        let folder = Scratch::new(name);
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let files = FileSystem::new(folder.path()).expect("a file system");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let stream = TokioIo::new(stream);
                        let served = http1::Builder::new().serve_connection(stream, service);
                        let _client_is_gone = served.await;
                    });
                }
            });
        });
        Self { folder, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts an object there, past the server.
    pub fn put(&self, key: &str, text: &str) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("an object");
    }

    pub fn read(&self, key: &str) -> String {
        std::fs::read_to_string(self.path(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// An object's metadata, from the server's own notes.
    pub fn metadata(&self, key: &str) -> serde_json::Value {
        let [bucket, object] = [BUCKET, key].map(|text| URL_SAFE_NO_PAD.encode(text));
        let name = format!(".bucket-{bucket}.object-{object}.metadata.json");
        let text = std::fs::read_to_string(self.folder.path().join(name));
        let notes: serde_json::Value = serde_json::from_str(&text.expect("notes")).expect("JSON");
        notes["user_metadata"].clone()
    }

    /// The keys of all objects, in order; without the server's own notes.
    pub fn keys(&self) -> Vec<String> {
        let root = self.folder.path().join(BUCKET);
        let (mut folders, mut keys) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let key = path.strip_prefix(&root).expect("below the bucket").to_str();
                let key = key.expect("text").to_owned();
                if !key.split('/').any(|part| part.starts_with('.')) {
                    keys.push(key);
                }
            }
        }
        keys.sort();
        keys
    }
}
