//! rust-forwarder tokio|realm_io LISTEN TARGET: accepts on LISTEN and copies every connection both ways to TARGET.

use std::io;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, kind, listen, target] = args.as_slice() else {
        return Err(io::Error::other("usage: rust-forwarder tokio|realm_io LISTEN TARGET"));
    };
    let splices = kind == "realm_io";
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let target = target.clone();
        tokio::spawn(async move {
            let remote = TcpStream::connect(&target).await?;
            if splices {
                splice(client, remote).await
            } else {
                copy(client, remote).await
            }
        });
    }
}

async fn copy(mut client: TcpStream, mut remote: TcpStream) -> io::Result<()> {
    tokio::io::copy_bidirectional(&mut client, &mut remote).await?;
    Ok(())
}

async fn splice(mut client: TcpStream, mut remote: TcpStream) -> io::Result<()> {
    realm_io::bidi_zero_copy(&mut client, &mut remote).await?;
    Ok(())
}
