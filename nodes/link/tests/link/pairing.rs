//! Who is let in: the holder of a pinned key who says the right name, and nobody else.

use std::sync::Arc;

use offboard_link::{
    conn::{Conn, NotMet},
    frame::{Frame, Hello, Role},
    key::{Identity, PublicKey},
    pipe::Pipe,
    tls::{self, Pins},
};
use tokio::net::TcpStream;

use crate::machine::{Machine, Plan, pair};

/// A stranger's or a traitor's own client: TLS with this key, expecting that one.
pub(crate) async fn shake(robot: &Machine, identity: &Identity, expected: PublicKey) -> Result<Conn, NotMet> {
    let tcp = TcpStream::connect(robot.address.unwrap()).await.unwrap();
    let config = tls::dialing(identity, Pins::new(vec![expected])).unwrap();
    Ok(Conn::new(Pipe::dial(tcp, config).await?))
}

/// The same, and hello as `name`.
pub(crate) async fn greet(robot: &Machine, identity: &Identity, name: &str, role: Role) -> Result<Conn, NotMet> {
    let mut conn = shake(robot, identity, robot.link.identity.public()).await?;
    conn.say(&Frame::Hello(Hello { role, session: [5; 16], name: name.into() })).await?;
    conn.hello().await?;
    Ok(conn)
}

/// A robot that listens, alone; this key is its desktop's.
pub(crate) async fn robot_of(desktop: PublicKey) -> Machine {
    Machine::start(Plan {
        name: "robot",
        listen: Some("127.0.0.1:0".into()),
        peers: vec![("desktop", None, Some(desktop))],
        offers: vec!["camera/frames"],
        hears: vec![("desktop:pilot/drive offboard.v1.Drive", 100)],
        ..Plan::default()
    })
    .await
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_the_handshake() {
    let (robot, _desktop) = pair().await;
    let refused = greet(&robot, &Identity::generate().unwrap(), "desktop", Role::Control).await;
    let Err(NotMet::Io(error)) = refused else { panic!("{refused:?}") };
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::AccessDenied);
    assert_eq!(tls::error(&error), Some(&alert));
}

#[tokio::test]
async fn the_dialer_leaves_when_another_key_answers() {
    let (robot, desktop) = pair().await;
    let refused = shake(&robot, &desktop.link.identity, desktop.link.identity.public()).await;
    let Err(NotMet::Io(error)) = refused else { panic!("{refused:?}") };
    assert!(matches!(tls::error(&error), Some(rustls::Error::InvalidCertificate(_))), "{error}");
}

#[tokio::test]
async fn a_known_key_under_another_name_is_refused_with_the_reason() {
    let desktop = Identity::generate().unwrap();
    let robot = robot_of(desktop.public()).await;
    let refused = greet(&robot, &desktop, "toaster", Role::Control).await;
    let Err(NotMet::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "in robot the key of graph toaster belongs to desktop");
}

#[tokio::test]
async fn another_version_is_refused_with_the_reason() {
    let desktop = Identity::generate().unwrap();
    let robot = robot_of(desktop.public()).await;
    let mut conn = shake(&robot, &desktop, robot.link.identity.public()).await.unwrap();
    let mut hello = Frame::Hello(Hello { role: Role::Control, session: [0; 16], name: "desktop".into() }).encode();
    hello[5] = 200;
    conn.pipe.seal(&hello).unwrap();
    conn.pipe.flush_all().await.unwrap();
    let refused = conn.hello().await;
    let Err(NotMet::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("version 200"), "{reason}");
}

#[tokio::test]
async fn a_client_without_any_key_is_refused() {
    let (robot, _desktop) = pair().await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Pins::new(vec![robot.link.identity.public()]))
        .with_no_client_auth();
    let tcp = TcpStream::connect(robot.address.unwrap()).await.unwrap();
    let refused = match Pipe::dial(tcp, Arc::new(config)).await {
        Ok(pipe) => {
            let mut conn = Conn::new(pipe);
            conn.hello().await.map(drop)
        }
        Err(error) => Err(error.into()),
    };
    assert!(matches!(refused, Err(NotMet::Io(_))), "{refused:?}");
}

#[tokio::test]
async fn on_this_machine_the_users_own_key_is_enough() {
    let identity = Identity::generate().unwrap();
    let same = Identity::from_pem(&identity.pem()).unwrap();
    let mut robot = Machine::start(Plan {
        name: "robot",
        identity: Some(identity),
        listen: Some("127.0.0.1:0".into()),
        peers: vec![("desktop", None, None)],
        offers: vec!["camera/frames"],
        ..Plan::default()
    })
    .await;
    let mut desktop = Machine::start(Plan {
        name: "desktop",
        identity: Some(same),
        peers: vec![("robot", robot.address, None)],
        hears: vec![("robot:camera/frames", 1)],
        ..Plan::default()
    })
    .await;
    robot.wanted(0, 1).await;
    let said = robot.say(0, 10);
    assert_eq!(desktop.hear().await.payload, said.payload);
    let stranger = greet(&robot, &Identity::generate().unwrap(), "desktop", Role::Control).await;
    assert!(matches!(stranger, Err(NotMet::Io(_))), "another user's key: {stranger:?}");
}
