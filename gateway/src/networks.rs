//! Networks that a configuration names, as one text: `10.0.0.0/8, 2001:db8::7`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Networks in one list: each is looked at for every request that is limited.
const NETWORKS_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Why a text is not a list of networks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworksError {
    #[error("{0:?} is not a network like 10.0.0.0/8 or 2001:db8::/32")]
    Unknown(String),
    #[error("names more than {NETWORKS_MAX} networks")]
    TooMany,
}

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = NetworksError;

    /// Networks with commas between; an address alone is a network of one. Nothing is none.
    fn from_str(text: &str) -> Result<Networks, NetworksError> {
        let names = text.split(',').map(str::trim);
        let networks = names.filter(|name| !name.is_empty()).map(|name| {
            let alone = || name.parse::<IpAddr>().map(IpNet::from);
            let network = name.parse::<IpNet>().or_else(|_| alone());
            network.map_err(|_| NetworksError::Unknown(name.to_owned()))
        });
        let networks: Vec<IpNet> = networks.collect::<Result<_, _>>()?;
        if networks.len() > NETWORKS_MAX {
            return Err(NetworksError::TooMany);
        }
        Ok(Networks(networks))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { ", " };
            write!(f, "{between}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_networks() {
        let networks: Networks = " 10.0.0.0/8,2001:db8::/32 , 192.0.2.7,".parse().unwrap();
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(
                networks.contains(address.parse().unwrap()),
                is_in,
                "{address}"
            );
        }
        let text = networks.to_string();
        assert_eq!(text, "10.0.0.0/8, 2001:db8::/32, 192.0.2.7/32");
        assert_eq!(text.parse(), Ok(networks));
        assert_eq!("".parse(), Ok(Networks::default()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["10.0.0.0/33", "all", "10.0.0.0/8 10.0.0.1", "::1/x"] {
            let error = format!("127.0.0.1, {text}").parse::<Networks>();
            assert_eq!(error, Err(NetworksError::Unknown(text.to_owned())));
        }
        let many = "10.0.0.1,".repeat(NETWORKS_MAX + 1);
        assert_eq!(many.parse::<Networks>(), Err(NetworksError::TooMany));
    }
}
