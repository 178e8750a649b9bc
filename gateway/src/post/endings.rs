//! Why a wish is over, in words.

use morgenruh_engine::rules::wish::fact::WishEnding;

use crate::language::Language;

pub(crate) fn why(language: Language, how: WishEnding) -> &'static str {
    match how {
        WishEnding::Withdrawn => language.say(
            "Der Wunsch ist gelöscht. Wir bieten Ihnen dazu nichts mehr an.",
            "Der Wunsch ist gelöscht. Sie bekommen keine Angebote mehr.",
            "The wish is deleted. Nothing more is offered to you for it.",
        ),
        WishEnding::Outdated => language.say(
            "Der letzte Tag, den Sie genannt haben, ist vorbei, und kein Termin ist daraus \
             geworden. Sie können jederzeit einen neuen Wunsch anlegen.",
            "Der letzte Tag von Ihrem Wunsch ist vorbei. Wir haben leider keinen Termin \
             gefunden. Sie können einen neuen Wunsch eintragen.",
            "The last day that you named is over, and no appointment has come of it. You can \
             lay a new wish at any time.",
        ),
        WishEnding::UsedUp => language.say(
            "Mehrere Angebote wurden abgelehnt, zurückgegeben oder nicht beantwortet. Jetzt kommen \
             andere zuerst. Sie können jederzeit einen neuen Wunsch anlegen.",
            "Sie haben mehrere Angebote nicht angenommen. Jetzt sind andere Menschen dran. Sie \
             können einen neuen Wunsch eintragen.",
            "Several offers were declined, given back or not answered. Now others come first. You \
             can lay a new wish at any time.",
        ),
        WishEnding::Merged => language.say(
            "Aus einem anderen Wunsch von Ihnen ist ein Termin für dasselbe geworden. Dieser \
             Wunsch ist damit erledigt.",
            "Sie haben jetzt einen Termin durch einen anderen Wunsch. Diesen Wunsch brauchen \
             Sie nicht mehr.",
            "Another wish of yours has become an appointment for the same. So this wish is \
             settled.",
        ),
        WishEnding::Overtaken => language.say(
            "Der Termin, für den Sie sich einen früheren gewünscht haben, ist abgesagt, oder \
             seine Zeit ist gekommen.",
            "Sie wollten einen früheren Termin. Aber der alte Termin ist abgesagt oder schon \
             dran.",
            "The appointment for which you wished an earlier one is cancelled, or its time has \
             come.",
        ),
    }
}
