//! The DNS as blocking calls. The only file that knows of tokio and the resolver crate: they send the packets and take them
//! apart; what an answer means is `protocol::dns`'s and `mail::mx`'s.

use super::dial::Family;
use super::wire::reason;
use crate::mail::address::Domain;
use crate::mail::mx::{Addresses, DnsError, Host, Lookup, MailHosts, Mx, MxAnswer, host};
use crate::protocol::dns::{Answer, Chain, Data, Record, Response};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use trust_dns_resolver::net::NetError;
use trust_dns_resolver::net::runtime::TokioRuntimeProvider;
use trust_dns_resolver::net::tcp::TcpClientStream;
use trust_dns_resolver::net::udp::UdpClientStream;
use trust_dns_resolver::net::xfer::{DnsHandle, FirstAnswer};
use trust_dns_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use trust_dns_resolver::proto::rr::{Name, RData, RecordType};
use trust_dns_resolver::system_conf::parse_resolv_conf;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// What resolv.conf(5) has for `timeout` and `attempts` where nothing is said.
const TRY: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;
/// `options timeout:0` is taken for this.
const SHORTEST_TRY: Duration = Duration::from_secs(1);

/// How often it is asked whether anybody waits for an answer still.
const LOOK: Duration = Duration::from_millis(100);

/// Which servers to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// The `nameserver` lines of a file in the form of resolv.conf(5), with its `timeout` and `attempts`. `search` never applies.
    File(PathBuf),
    At(Vec<SocketAddr>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub servers: Servers,
    /// The longest wait for the answer to one question, all servers together. None: as the servers' file says, else 5 s and two
    /// attempts a server.
    pub timeout: Option<Duration>,
    /// Which addresses of a host count.
    pub family: Family,
}

impl Default for Options {
    fn default() -> Self {
        Options { servers: Servers::File(RESOLV_CONF.into()), timeout: None, family: Family::Any }
    }
}

/// Asks the DNS, from any number of threads at once. Nothing is read or built before the first question.
pub struct Resolver {
    options: Options,
    /// Set: nobody waits for an answer any more.
    over: Arc<AtomicBool>,
    client: Mutex<Option<Arc<Client>>>,
}

struct Client {
    runtime: Runtime,
    asker: Asker,
}

/// How one question is put to the servers, one after the other.
#[derive(Debug, Clone)]
struct Asker {
    servers: Vec<SocketAddr>,
    attempts: usize,
    /// For one try of one server, over TCP included.
    patience: Duration,
}

impl Resolver {
    pub fn new(options: Options) -> Resolver {
        Resolver { options, over: Arc::default(), client: Mutex::new(None) }
    }

    /// Its waits end once `over` is set.
    pub fn until(self, over: Arc<AtomicBool>) -> Resolver {
        Resolver { over, ..self }
    }

    /// The MX records of a domain. One that exists without any gives an empty list, not an error.
    pub fn mx(&self, domain: &str) -> Result<MxAnswer, DnsError> {
        let Host::Name(name) = host(domain)? else {
            return Err(DnsError::Invalid(format!("{domain}: an address literal has no MX record")));
        };
        let client = self.client()?;
        let answer = self.wait(&client, client.asker.clone().resolve(name, RecordType::MX))?;
        let record = |data| if let Data::Mx { preference, exchange } = data { Some(Mx { preference, exchange }) } else { None };
        let records = answer.data.into_iter().filter_map(record).collect();
        Ok(MxAnswer { canonical: answer.canonical, records, authentic: answer.authentic })
    }

    /// The addresses of a host, IPv6 first, each family in the order of the answer. An address literal is its own address.
    /// One family's trouble is no error where the other has addresses.
    pub fn addresses(&self, name: &str) -> Result<Addresses, DnsError> {
        let name = match host(name)? {
            Host::Name(name) => name,
            Host::Literal(address) if is_of(self.options.family, address) => {
                return Ok(Addresses { list: vec![address], canonical: name.to_owned(), authentic: false });
            }
            Host::Literal(_) => return Err(DnsError::NoData(name.to_owned())),
        };
        let client = self.client()?;
        let asker = &client.asker;
        match self.options.family {
            Family::V4 => in_one_family(&name, self.wait(&client, asker.clone().resolve(name.clone(), RecordType::A))),
            Family::V6 => in_one_family(&name, self.wait(&client, asker.clone().resolve(name.clone(), RecordType::AAAA))),
            Family::Any => self.wait(&client, async {
                let v4 = tokio::spawn(asker.clone().resolve(name.clone(), RecordType::A));
                let v6 = asker.clone().resolve(name.clone(), RecordType::AAAA).await;
                let v4 = v4.await.unwrap_or_else(|error| Err(DnsError::Temporary(format!("{name}: {error}"))));
                merge(in_one_family(&name, v6), in_one_family(&name, v4))
            }),
        }
    }

    /// Waits for an answer as long as anybody wants it.
    fn wait<T>(&self, client: &Client, answer: impl Future<Output = Result<T, DnsError>>) -> Result<T, DnsError> {
        client.runtime.block_on(async {
            let mut answer = pin!(answer);
            while !self.over.load(Ordering::SeqCst) {
                if let Ok(answered) = tokio::time::timeout(LOOK, &mut answer).await {
                    return answered;
                }
            }
            Err(DnsError::Temporary("broken off by a signal".to_owned()))
        })
    }

    fn client(&self) -> Result<Arc<Client>, DnsError> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let asker = self.options.asker()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DnsError::Temporary(format!("cannot start the DNS client: {error}")))?;
        Ok(slot.insert(Arc::new(Client { runtime, asker })).clone())
    }
}

impl Lookup for Resolver {
    fn mail_hosts(&self, domain: &Domain) -> Result<MailHosts, DnsError> {
        match domain {
            Domain::Literal(address) => Ok(MailHosts::literal(*address)),
            Domain::Name(name) => Ok(self.mx(name)?.into_hosts(random_below)),
        }
    }

    fn addresses(&self, host: &str) -> Result<Addresses, DnsError> {
        Resolver::addresses(self, host)
    }
}

/// A random number below `n`, for [`MxAnswer::into_hosts`]. Without a source of randomness it is 0: the order is still right.
pub fn random_below(n: usize) -> usize {
    getrandom::u32().map_or(0, |random| random as usize % n.max(1))
}

impl Options {
    fn asker(&self) -> Result<Asker, DnsError> {
        let mut asker = match &self.servers {
            Servers::At(servers) => Asker { servers: servers.clone(), attempts: ATTEMPTS, patience: TRY },
            Servers::File(path) => {
                let failed = |Trouble(why)| DnsError::Temporary(format!("cannot use {}: {why}", path.display()));
                let text = std::fs::read(path).map_err(|error| failed(Trouble(reason(&error))))?;
                let (config, options) = parse_resolv_conf(text).map_err(|error| failed(error.into()))?;
                let servers = config.name_servers().iter();
                let servers = servers.flat_map(|s| s.connections.first().map(|c| SocketAddr::new(s.ip, c.port))).collect();
                Asker { servers, attempts: options.attempts.max(1), patience: options.timeout.max(SHORTEST_TRY) }
            }
        };
        if asker.servers.is_empty() {
            return Err(DnsError::Temporary("no DNS server to ask".to_owned()));
        }
        if let Some(timeout) = self.timeout {
            // Packets are repeated within a try, so that one try is as good as two.
            asker.attempts = 1;
            asker.patience = timeout / u32::try_from(asker.servers.len()).unwrap_or(u32::MAX);
        }
        Ok(asker)
    }
}

impl Asker {
    /// Asks until aliases end and an answer stands.
    async fn resolve(self, name: String, kind: RecordType) -> Result<Answer, DnsError> {
        let mut chain = Chain::new(&name);
        loop {
            let response = self.ask(chain.name(), kind).await?;
            let wanted = if kind == RecordType::MX { is_mx } else { is_address };
            if let Some(answer) = chain.take(response, wanted)? {
                return Ok(answer);
            }
        }
    }

    /// Puts one question to one server after the other until one answers. A server's own failure is no answer.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Response, DnsError> {
        let mut query_name = Name::from_ascii(name).map_err(|error| DnsError::Invalid(format!("{name}: {error}")))?;
        query_name.set_fqdn(true);
        let query = Query::query(query_name, kind);
        let mut trouble = String::new();
        for _ in 0..self.attempts {
            for &server in &self.servers {
                match tokio::time::timeout(self.patience, exchange(server, &query, self.patience)).await {
                    Ok(Ok(response)) => return Ok(response),
                    Ok(Err(Trouble(why))) => trouble = format!("{server}: {why}"),
                    Err(_) => trouble = format!("{server}: no answer"),
                }
            }
        }
        Err(DnsError::Temporary(format!("{name}: {kind} lookup failed: {trouble}")))
    }
}

/// Why one server gave no answer.
struct Trouble(String);

impl From<NetError> for Trouble {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Timeout => Trouble("no answer".to_owned()),
            NetError::Io(error) => Trouble(reason(&error)),
            error => Trouble(error.to_string()),
        }
    }
}

/// One question to one server: with EDNS, and without where the server chokes on it (RFC 6891 section 7).
async fn exchange(server: SocketAddr, query: &Query, patience: Duration) -> Result<Response, Trouble> {
    let mut response = send(server, query, true, patience).await?;
    if matches!(response.response_code, ResponseCode::FormErr | ResponseCode::NotImp) {
        response = send(server, query, false, patience).await?;
    }
    read(&response)
}

/// Over UDP, and over TCP where the response was cut short (RFC 7766 section 5). AD in the question asks for AD in the response
/// (RFC 6840 section 5.7). The crate drops responses of another server, id or question.
async fn send(server: SocketAddr, query: &Query, edns: bool, patience: Duration) -> Result<DnsResponse, Trouble> {
    let provider = TokioRuntimeProvider::default();
    let mut options = DnsRequestOptions::default();
    options.use_edns = edns;
    let mut request = DnsRequest::from_query(query.clone(), options);
    request.metadata.authentic_data = true;
    let udp = UdpClientStream::builder(server, provider.clone()).with_timeout(Some(patience)).exchange();
    let response = udp.send(request.clone()).first_answer().await?;
    if !response.truncation {
        return Ok(response);
    }
    let tcp = TcpClientStream::exchange(server, None, patience, None, provider).await?;
    let response = tcp.send(request).first_answer().await?;
    if !response.queries.contains(query) {
        return Err(Trouble("an answer to another question".to_owned()));
    }
    if response.truncation {
        return Err(Trouble("an answer that is cut short".to_owned()));
    }
    Ok(response)
}

fn read(response: &DnsResponse) -> Result<Response, Trouble> {
    let no_such_name = match response.response_code {
        ResponseCode::NoError => false,
        ResponseCode::NXDomain => true,
        code => return Err(Trouble(code.to_string())),
    };
    // A server that neither owns the name nor asks others says nothing about it, however politely.
    if response.answers.is_empty() && !response.authoritative && !response.recursion_available {
        return Err(Trouble("does no recursion".to_owned()));
    }
    let records = response.answers.iter().filter_map(|record| {
        let data = match &record.data {
            RData::MX(mx) => Data::Mx { preference: mx.preference, exchange: text(&mx.exchange) },
            RData::A(address) => Data::Address(IpAddr::V4(address.0)),
            RData::AAAA(address) => Data::Address(IpAddr::V6(address.0)),
            RData::CNAME(to) => Data::Alias(text(&to.0)),
            _ => return None,
        };
        Some(Record { owner: text(&record.name), data })
    });
    Ok(Response { no_such_name, records: records.collect(), authentic: response.authentic_data })
}

/// A name in ASCII with what is odd in it escaped, without the dot at its end.
fn text(name: &Name) -> String {
    let mut text = name.to_ascii();
    if name.is_fqdn() {
        text.pop();
    }
    text
}

fn is_of(family: Family, address: IpAddr) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

fn is_mx(data: &Data) -> bool {
    matches!(data, Data::Mx { .. })
}

fn is_address(data: &Data) -> bool {
    matches!(data, Data::Address(_))
}

fn in_one_family(name: &str, answer: Result<Answer, DnsError>) -> Result<Addresses, DnsError> {
    let answer = answer?;
    let address = |data| if let Data::Address(address) = data { Some(address) } else { None };
    let list: Vec<IpAddr> = answer.data.into_iter().filter_map(address).collect();
    if list.is_empty() {
        return Err(DnsError::NoData(name.to_owned()));
    }
    Ok(Addresses { list, canonical: answer.canonical, authentic: answer.authentic })
}

/// Both families as one. Of two errors the one that leaves more hope wins: a retry, then a name that at least exists.
fn merge(first: Result<Addresses, DnsError>, second: Result<Addresses, DnsError>) -> Result<Addresses, DnsError> {
    let hope = |error: &DnsError| match error {
        DnsError::Temporary(_) => 0,
        DnsError::NoData(_) => 1,
        DnsError::Invalid(_) | DnsError::NoDomain(_) => 2,
    };
    match (first, second) {
        (Ok(mut first), Ok(second)) => {
            first.list.extend(second.list);
            first.authentic &= second.authentic;
            Ok(first)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(first), Err(second)) => Err(if hope(&second) < hope(&first) { second } else { first }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn asker(resolv_conf: &str, timeout: Option<Duration>) -> Result<Asker, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        std::fs::write(&path, resolv_conf).unwrap();
        let options = Options { servers: Servers::File(path), timeout, ..Options::default() };
        options.asker().map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), ""))
    }

    #[test]
    fn resolv_conf_names_the_servers_and_the_patience() {
        let text = "# ours\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch crepes.test\noptions timeout:3 attempts:4\n";
        let found = asker(text, None).unwrap();
        assert_eq!(found.servers, ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
        assert_eq!((found.attempts, found.patience), (4, Duration::from_secs(3)));
        let found = asker(text, Some(Duration::from_secs(10))).unwrap();
        assert_eq!((found.attempts, found.patience), (1, Duration::from_secs(5)), "both servers fit into the time");
        let found = asker("nameserver 192.0.2.1\noptions timeout:0 attempts:0\n", None).unwrap();
        assert_eq!((found.attempts, found.patience), (1, Duration::from_secs(1)));
    }

    #[test]
    fn without_a_server_to_ask_a_retry_may_help() {
        assert_eq!(asker("search crepes.test\n", None).unwrap_err(), "cannot use /resolv.conf: no nameservers found in config");
        let resolver = Resolver::new(Options { servers: Servers::File("/nonexistent".into()), ..Options::default() });
        let error = DnsError::Temporary("cannot use /nonexistent: No such file or directory".to_owned());
        assert_eq!(resolver.mx("crepes.test"), Err(error.clone()));
        assert_eq!(resolver.addresses("crepes.test"), Err(error));
        assert!(Options { servers: Servers::At(vec![]), ..Options::default() }.asker().unwrap_err().is_temporary());
    }

    #[test]
    fn what_needs_no_question_is_answered_without_a_server() {
        let resolver = Resolver::new(Options { servers: Servers::File("/nonexistent".into()), ..Options::default() });
        assert_eq!(resolver.addresses("[192.0.2.1]").unwrap().list, [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))]);
        assert!(matches!(resolver.addresses("192.0.2.1"), Err(DnsError::Invalid(_))));
        assert!(matches!(resolver.mx("a b"), Err(DnsError::Invalid(_))));
        let literal = "[IPv6:2001:db8::1]".parse().unwrap();
        assert_eq!(resolver.mail_hosts(&literal), Ok(MailHosts::literal("2001:db8::1".parse().unwrap())));
    }

    #[test]
    fn of_two_errors_the_one_with_more_hope_stands() {
        let temporary = || Err(DnsError::Temporary("t".to_owned()));
        let (none, gone) = (|| Err(DnsError::NoData("n".to_owned())), || Err(DnsError::NoDomain("n".to_owned())));
        assert_eq!(merge(none(), temporary()), temporary());
        assert_eq!(merge(temporary(), gone()), temporary());
        assert_eq!(merge(gone(), none()), none());
    }
}
