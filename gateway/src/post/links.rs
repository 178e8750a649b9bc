//! The way back to us from a letter or a webhook.

use url::Url;

/// Where the service is found.
#[derive(Clone, Debug)]
pub(super) struct Links {
    /// Scheme, host and port.
    public_url: String,
}

impl Links {
    /// Of an origin that the settings have checked.
    pub(super) fn new(public_url: &str) -> Links {
        Links {
            public_url: public_url.to_owned(),
        }
    }

    /// The whole address of a path of ours, in ASCII without blanks or angle brackets, whatever the
    /// path holds: it stands in headers, too. It never leads to another host.
    pub(super) fn whole(&self, path: &str) -> String {
        let path = path.trim_start_matches(['/', '\\']);
        let address = format!("{}/{path}", self.public_url);
        // An origin with a path behind it can always be read.
        Url::parse(&address).map_or_else(|_| self.public_url.clone(), String::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_at_home_and_in_one_line() {
        let links = Links::new("https://termine.example.org");
        assert_eq!(
            links.whole("/wunsch/AAA?token=b-_"),
            "https://termine.example.org/wunsch/AAA?token=b-_"
        );
        for path in [
            "//evil.example/",
            "\\\\evil.example",
            "/../..//evil.example",
            "@evil.example",
            ".evil.example",
            ":80",
            "",
        ] {
            let whole = links.whole(path);
            assert!(whole.starts_with("https://termine.example.org/"), "{whole}");
        }
        let whole = links.whole("/a\r\nBcc: x@y.de> <b>\"\u{e4}\u{0}?c d>#e f>");
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'<' && byte != b'>';
        assert!(whole.bytes().all(plain), "{whole}");
    }
}
