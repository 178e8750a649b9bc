//! What a letter says, in three languages.
//!
//! It repeats nothing that somebody has typed, not even their name: whoever gives a stranger's
//! address cannot make us send the stranger a text of theirs.

use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::Text;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::fact::WishEnding;

use super::endings;
use super::links::Links;
use super::notice::{Notice, NoticeKind, Visit};
use crate::language::Language;

/// A letter before it is text or HTML.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) language: Language,
    pub(super) subject: String,
    pub(super) title: &'static str,
    pub(super) paragraphs: Vec<String>,
    /// What it is about: names and values.
    pub(super) facts: Vec<(&'static str, String)>,
    /// What can be done: words and addresses.
    pub(super) links: Vec<(&'static str, String)>,
    /// What is to be known beside that.
    pub(super) remark: Option<&'static str>,
    /// Who writes.
    pub(super) sender: String,
    /// Why they do, and how to make them stop.
    pub(super) reason: Option<(&'static str, &'static str, String)>,
}

impl Words {
    pub(super) fn of(notice: &Notice, city: &Text, zone: &TimeZone, links: &Links) -> Words {
        let pen = Pen {
            language: notice.language,
            zone,
            links,
        };
        let sender = one_line(notice.language.choose(&city.de, &city.en));
        let mut words = Words {
            language: notice.language,
            subject: String::new(),
            title: "",
            paragraphs: Vec::new(),
            facts: Vec::new(),
            links: Vec::new(),
            remark: None,
            sender,
            reason: notice.kind.wish_goes_on().then(|| pen.reason(notice)),
        };
        pen.write(notice, &mut words);
        words
    }
}

struct Pen<'n> {
    language: Language,
    zone: &'n TimeZone,
    links: &'n Links,
}

impl Pen<'_> {
    fn write(&self, notice: &Notice, words: &mut Words) {
        match &notice.kind {
            NoticeKind::Laid { services } => self.laid(words, services),
            NoticeKind::Offered {
                deadline,
                visit,
                accept,
                decline,
                again,
            } => {
                self.offered(words, *deadline, visit, [accept, decline]);
                if *again {
                    self.reminded(words, *deadline);
                }
            }
            NoticeKind::Booked {
                code,
                visit,
                manage,
                brought_forward,
                give_back,
                ..
            } => {
                self.booked(words, code, visit, manage, *brought_forward);
                if let Some(path) = give_back {
                    self.returnable(words, path);
                }
            }
            NoticeKind::Lapsed { visit } => self.lapsed(words, visit, &notice.manage),
            NoticeKind::Ended { how } => self.ended(words, *how),
            NoticeKind::Trial => self.trial(words),
        }
        let has_link = matches!(notice.kind, NoticeKind::Lapsed { .. });
        if notice.kind.wish_goes_on() && !has_link {
            let name = self.say(
                "Wunsch ansehen oder löschen",
                "Wunsch ansehen oder löschen",
                "See or delete the wish",
            );
            words.links.push((name, self.links.whole(&notice.manage)));
        }
    }

    fn laid(&self, words: &mut Words, services: &str) {
        words.title = self.say(
            "Ihr Terminwunsch ist vorgemerkt",
            "Wir haben Ihren Termin-Wunsch",
            "We have your wish for an appointment",
        );
        words.subject = words.title.to_owned();
        words.paragraphs.push(
            self.say(
                "Sobald ein Termin frei wird, der zu Ihrem Wunsch passt, melden wir uns. Wünsche \
                 kommen der Reihe nach dran.",
                "Vielleicht wird ein Termin frei und passt zu Ihrem Wunsch. Dann schreiben wir \
                 Ihnen. Es geht der Reihe nach.",
                "As soon as an appointment becomes free that fits your wish, you will hear from \
                 us. Wishes come in their turn.",
            )
            .to_owned(),
        );
        words.facts.push((self.what(), one_line(services)));
    }

    fn offered(&self, words: &mut Words, deadline: UnixMillis, visit: &Visit, paths: [&str; 2]) {
        let deadline = self.language.moment(self.zone, deadline);
        words.title = self.say(
            "Ein Termin ist für Sie frei",
            "Ein Termin ist frei für Sie",
            "An appointment is free for you",
        );
        let (answer, kept) = match self.language {
            Language::De => (
                "bitte antworten Sie bis",
                "Er passt zu Ihrem Wunsch, und wir halten ihn für Sie zurück bis",
            ),
            Language::DeLeicht => (
                "bitte antworten Sie bis",
                "Der Termin passt zu Ihrem Wunsch. Möchten Sie ihn? Sie haben Zeit bis",
            ),
            Language::En => (
                "please answer by",
                "It fits your wish, and we keep it for you until",
            ),
        };
        words.subject = format!("{}: {answer} {deadline}", words.title);
        words.paragraphs.push(format!("{kept} {deadline}."));
        words.facts = self.visit(visit);
        let names = match self.language {
            Language::De | Language::DeLeicht => ["Termin annehmen", "Termin ablehnen"],
            Language::En => ["Accept the appointment", "Decline the appointment"],
        };
        for (name, path) in names.into_iter().zip(paths) {
            words.links.push((name, self.links.whole(path)));
        }
        words.remark = Some(self.say(
            "Ohne Ihre Antwort bieten wir den Termin danach jemand anderem an, und Ihr Wunsch macht \
             Pause.",
            "Sie antworten nicht? Dann bekommt jemand anders den Termin. Und Ihr Wunsch macht Pause.",
            "Without your answer it is offered to somebody else after that, and your wish is paused.",
        ));
    }

    /// What is different in a letter that tells of the same offer once more.
    fn reminded(&self, words: &mut Words, deadline: UnixMillis) {
        let deadline = self.language.moment(self.zone, deadline);
        words.title = self.say(
            "Der Termin ist noch für Sie frei",
            "Der Termin ist noch frei für Sie",
            "The appointment is still free for you",
        );
        let answer = self
            .language
            .choose("bitte antworten Sie bis", "please answer by");
        words.subject = format!("{}: {answer} {deadline}", words.title);
        let open = self.say(
            "Sie haben auf unser Angebot noch nicht geantwortet.",
            "Sie haben noch nicht geantwortet.",
            "You have not answered our offer yet.",
        );
        words.paragraphs.insert(0, open.to_owned());
    }

    /// What whoever was not asked can do.
    fn returnable(&self, words: &mut Words, path: &str) {
        let why = self.say(
            "Passt er nicht? Geben Sie ihn zurück und warten Sie weiter: Ihr Platz in der Reihe bleibt.",
            "Der Termin passt nicht? Dann geben Sie ihn zurück und warten weiter. Sie behalten Ihren \
             Platz.",
            "Does it not suit you? Give it back and wait on: your place in the line stays.",
        );
        words.paragraphs.push(why.to_owned());
        let name = self.say(
            "Termin zurückgeben und weiter warten",
            "Termin zurückgeben und weiter warten",
            "Give it back and wait on",
        );
        words.links.push((name, self.links.whole(path)));
    }

    fn booked(
        &self,
        words: &mut Words,
        code: &str,
        visit: &Visit,
        manage: &str,
        brought_forward: bool,
    ) {
        let (title, paragraph) = if brought_forward {
            let title = self.say(
                "Ihr Termin ist jetzt früher",
                "Ihr Termin ist jetzt früher",
                "Your appointment is earlier now",
            );
            let paragraph = self.say(
                "Ein früherer Termin ist frei geworden, und wir haben Ihren dorthin verlegt. Der \
                 bisherige gilt nicht mehr.",
                "Ein früherer Termin war frei. Dieser Termin gehört jetzt Ihnen. Der alte Termin \
                 gilt nicht mehr.",
                "An earlier one became free, and yours has been moved there. The previous time no \
                 longer holds.",
            );
            (title, paragraph)
        } else {
            let title = self.say(
                "Ihr Termin ist gebucht",
                "Sie haben einen Termin",
                "Your appointment is booked",
            );
            let paragraph = self.say(
                "Aus Ihrem Wunsch ist ein Termin geworden.",
                "Ihr Wunsch ist erfüllt.",
                "Your wish has become an appointment.",
            );
            (title, paragraph)
        };
        words.title = title;
        words.subject = format!("{title}: {}", self.language.date(self.zone, visit.start));
        words.paragraphs.push(paragraph.to_owned());
        words.facts = self.visit(visit);
        let number = self.say("Terminnummer", "Termin-Nummer", "Appointment number");
        words.facts.push((number, one_line(code)));
        let name = if brought_forward {
            self.say("Termin ansehen", "Termin ansehen", "See the appointment")
        } else {
            self.say(
                "Termin ansehen oder absagen",
                "Termin ansehen oder absagen",
                "See or cancel the appointment",
            )
        };
        words.links.push((name, self.links.whole(manage)));
        words.remark = Some(self.say(
            "Die angehängte Datei trägt den Termin in Ihren Kalender ein.",
            "Bei dieser E-Mail ist eine Datei. Damit kommt der Termin in Ihren Kalender.",
            "The attached file puts the appointment into your calendar.",
        ));
    }

    fn lapsed(&self, words: &mut Words, visit: &Visit, wish: &str) {
        words.title = self.say(
            "Ein Angebot ist abgelaufen",
            "Die Zeit für Ihre Antwort ist vorbei",
            "An offer has lapsed",
        );
        let question = self.say(
            "Warten Sie weiter?",
            "Warten Sie weiter?",
            "are you still waiting?",
        );
        words.subject = format!("{}: {question}", words.title);
        words.paragraphs.push(
            self.say(
                "Wir haben bis zum Ende der Frist keine Antwort bekommen und bieten den Termin \
                 jetzt jemand anderem an. Ihr Wunsch macht Pause: Sie bekommen erst wieder \
                 Angebote, wenn Sie uns sagen, dass Sie weiter warten.",
                "Sie haben nicht geantwortet. Den Termin bekommt jetzt jemand anders. Ihr Wunsch \
                 macht Pause. Möchten Sie weiter Angebote bekommen? Dann sagen Sie es uns.",
                "There was no answer in time, so the appointment is now offered to somebody else. \
                 Your wish is paused: you will be offered nothing more until you tell us that you \
                 are still waiting.",
            )
            .to_owned(),
        );
        words.facts = self.visit(visit);
        let name = self.say(
            "Ja, ich warte weiter",
            "Ja, ich warte weiter",
            "Yes, I am still waiting",
        );
        words.links.push((name, self.links.whole(wish)));
    }

    fn ended(&self, words: &mut Words, how: WishEnding) {
        words.title = self.say(
            "Ihr Terminwunsch ist beendet",
            "Ihr Termin-Wunsch ist zu Ende",
            "Your wish for an appointment has ended",
        );
        words.subject = words.title.to_owned();
        let why = endings::why(self.language, how);
        words.paragraphs.push(why.to_owned());
    }

    fn trial(&self, words: &mut Words) {
        words.title = self.say("Ein Probebrief", "Ein Probe-Brief", "A trial letter");
        words.subject = words.title.to_owned();
        words.paragraphs.push(
            self.say(
                "Dieser Brief zeigt, dass der Mailserver Briefe der Terminvergabe annimmt und \
                 weitergibt. Niemand muss etwas tun.",
                "Dieser Brief ist eine Probe. Die Probe hat geklappt. Sie müssen nichts tun.",
                "This letter shows that the mail server takes letters of the appointment service \
                 and passes them on. Nobody needs to do anything.",
            )
            .to_owned(),
        );
        let name = self.say(
            "Zur Terminvergabe",
            "Zu den Terminen",
            "To the appointments",
        );
        words.links.push((name, self.links.whole("/")));
    }

    fn visit(&self, visit: &Visit) -> Vec<(&'static str, String)> {
        let (when, place) = match self.language {
            Language::De | Language::DeLeicht => ("Wann", "Wo"),
            Language::En => ("When", "Where"),
        };
        let start = self.language.moment(self.zone, visit.start);
        let end = self.language.time(self.zone, visit.end);
        let until = self.say("bis", "bis", "to");
        vec![
            (when, format!("{start} {until} {end}")),
            (
                place,
                one_line(&format!("{}, {}", visit.office, visit.address)),
            ),
            (self.what(), one_line(&visit.services)),
        ]
    }

    fn what(&self) -> &'static str {
        self.say("Wofür", "Wofür", "What for")
    }

    fn reason(&self, notice: &Notice) -> (&'static str, &'static str, String) {
        let why = self.say(
            "Sie bekommen diese E-Mail, weil zu Ihrer Adresse ein Terminwunsch gehört. Wenn er \
             nicht von Ihnen ist oder Sie nichts mehr hören möchten, löschen Sie ihn hier:",
            "Sie bekommen diese E-Mail, weil es einen Termin-Wunsch mit Ihrer Adresse gibt. Der \
             Wunsch ist nicht von Ihnen? Oder Sie wollen keine E-Mails mehr? Hier können Sie den \
             Wunsch löschen:",
            "You get this e-mail because a wish for an appointment belongs to your address. If it \
             is not yours, or if you want to hear no more of it, delete it here:",
        );
        let name = self.say("Wunsch löschen", "Wunsch löschen", "Delete the wish");
        (why, name, self.links.whole(&notice.withdraw))
    }

    fn say(&self, de: &'static str, leicht: &'static str, en: &'static str) -> &'static str {
        self.language.say(de, leicht, en)
    }
}

/// Nothing in it begins a line of its own.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
