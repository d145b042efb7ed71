//! tokio-forwarder LISTEN TARGET: accepts on LISTEN and copies every connection both ways to TARGET.

use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let listener = TcpListener::bind(&args[1]).await?;
    loop {
        let (mut client, _) = listener.accept().await?;
        let target = args[2].clone();
        tokio::spawn(async move {
            let mut remote = TcpStream::connect(&target).await?;
            tokio::io::copy_bidirectional(&mut client, &mut remote).await
        });
    }
}
