# Die Texte der Seiten. Wir duzen.

language-name = Deutsch

moment = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
} { $year }, { $time } UTC

## Jede Seite

skip-link = Zum Inhalt springen
footer-about = Über diese Website
footer-terms = Nutzungsbedingungen
footer-privacy = Datenschutz
footer-support = Hilfe
footer-dev-mail = Entwicklungspostfach
title-error = Fehler: { $page }
field-error = Fehler:
field-optional = (optional)
faults-title = { $count ->
    [one] Ein Feld braucht deine Aufmerksamkeit
   *[other] { $count } Felder brauchen deine Aufmerksamkeit
}
faults-item = { $field }: { $detail }
onward = weiter zu { $app }

## Felder

field-username = Benutzername
field-username-hint = Bis zu 32 Buchstaben, Ziffern, . _ - und für andere sichtbar.
field-email = E-Mail
field-email-hint-confirm = Wir schicken dir einen Link zur Bestätigung.
field-email-hint-optional = Damit kannst du ein vergessenes Passwort zurücksetzen.
field-login = Benutzername oder E-Mail
field-password = Passwort
field-password-hint = Mindestens { $min } Zeichen. Ein paar ungewöhnliche Wörter sind besser als Sonderzeichen.
field-new-password = Neues Passwort
field-current-password = Aktuelles Passwort
field-display-name = Anzeigename
field-display-name-hint = Diesen Namen sehen andere.
field-new-email = Neue E-Mail-Adresse
field-language = Sprache
field-language-browser = Wie im Browser

## Startseite

home-title = Willkommen
home-heading = Willkommen bei { $site }
home-lead = Einmal anmelden und auf allen Geräten verbunden bleiben. Melde dich ab, und alle Verbindungen werden sofort geschlossen.
home-register = Konto erstellen
home-login = Anmelden
home-developers = Für Entwickler
home-developers-lead = Ein Konto im Terminal erstellen:

## Anmelden

login-title = Anmelden
login-forgot = Passwort vergessen?
login-button = Anmelden
login-register = Neu hier? <link>Konto erstellen</link>

## Konto erstellen

register-title = Konto erstellen
register-button = Konto erstellen
register-login = Hast du schon ein Konto? <link>Anmelden</link>
register-invited-email = Deine E-Mail-Adresse ist { $email }. Dorthin wurde deine Einladung geschickt.
register-closed = Hier können keine neuen Konten erstellt werden.
register-invited-only = Für ein neues Konto brauchst du eine Einladung. Öffne den Link, den du bekommen hast.

## Passwort vergessen

forgot-title = Passwort vergessen?
forgot-lead = Gib deinen Benutzernamen oder deine E-Mail-Adresse ein. Wir schicken dir einen Link, mit dem du ein neues Passwort festlegst.
forgot-button = Link senden
forgot-login = <link>Zurück zur Anmeldung</link>
forgot-sent-title = Sieh in deinem Postfach nach
forgot-sent-dev-mail = Es ist kein Mailserver eingerichtet. Die E-Mail liegt im <link>Entwicklungspostfach</link>.
forgot-sent-again = Nichts angekommen? <link>Noch einmal senden</link>

## Neues Passwort

reset-title = Neues Passwort festlegen
reset-lead = Für dein Konto { $username }. Du wirst auf allen Geräten abgemeldet.
reset-button = Passwort festlegen
reset-choose = Mehrere Konten nutzen diese E-Mail-Adresse, und keines hat sie bisher bestätigt. Welches ist deines?
restore-title = Konto wiederherstellen
restore-lead = { $email } wird wieder die E-Mail-Adresse deines Kontos. Lege ein neues Passwort fest, denn vielleicht kennt jemand anders das alte. Du wirst auf allen Geräten abgemeldet.

## E-Mail bestätigen

verify-title = E-Mail-Adresse bestätigen
verify-lead = Bestätige, dass { $email } die E-Mail-Adresse deines Kontos { $username } ist.
verify-button = Adresse bestätigen
verify-aside = Das warst nicht du? Dann schließe diese Seite. Es ändert sich nichts.

## Weiter zu einer App

continue-title = Weiter zu { $app }
continue-lead = { $app } möchte dich als { $username } anmelden.
continue-button = Weiter als { $username }
continue-other = <link>Anderes Konto verwenden</link>
continue-dashboard = <link>Zu deinem Konto</link>
continue-aside = Du kommst nicht von dieser App? Dann schließe diese Seite. Es passiert nichts.

## Abmelden

logout-title = Abmelden
logout-heading = Abmelden?
logout-lead = Du bist als { $username } angemeldet. Die Live-Verbindungen dieses Browsers werden geschlossen.
logout-onward = Danach geht es zurück zu { $app }.
logout-button = Abmelden
logout-back = <link>Zurück zu deinem Konto</link>

## Dein Konto

dashboard-title = Dein Konto
dashboard-heading = Hallo, { $name }
dashboard-signed-in = Angemeldet als { $username }
dashboard-not-confirmed = nicht bestätigt
dashboard-no-script = Diese Seite zeigt den Stand beim Öffnen. Schalte JavaScript ein, um Änderungen sofort zu sehen.
dashboard-sign-out = Abmelden

live-reconnect = Jetzt verbinden

secret-title = Geheime Nachricht
secret-lead = Sie kommt über deine Live-Verbindung, und nur du kannst sie sehen.
secret-code = Code:
secret-button = Geheime Nachricht zeigen

connections-title = Live-Verbindungen
connections-none = Gerade keine Live-Verbindungen.
connection-opened = seit { $time }
connection-current = diese Seite

devices-title = Geräte
devices-lead = Hier bist du angemeldet. Wenn du ein Gerät abmeldest, werden seine Verbindungen sofort geschlossen.
device-seen = zuletzt aktiv { $time }
device-since = angemeldet { $time }
device-current = dieses Gerät
device-sign-out = Abmelden
devices-sign-out-others = Überall sonst abmelden

account-title = Konto

profile-title = Profil
profile-button = Änderungen speichern

password-title = Passwort ändern
password-note = Du wirst überall sonst abgemeldet.
password-button = Passwort ändern

email-title-change = E-Mail-Adresse ändern
email-title-add = E-Mail-Adresse hinzufügen
email-note = Wir schicken einen Link an die neue Adresse. Die Änderung gilt, sobald du ihn öffnest.
email-button = Bestätigungslink senden

delete-title = Konto löschen
delete-lead = Dein Konto und alle seine Daten werden endgültig gelöscht, und du wirst auf allen Geräten abgemeldet.
delete-button = Mein Konto löschen

ended-title = Du bist abgemeldet
ended-button = Wieder anmelden

## Lange Listen

pager-devices = Seiten der Geräte
pager-connections = Seiten der Live-Verbindungen
pager-range = { $first } bis { $last } von { $total }
pager-previous = Zurück
pager-next = Weiter

## Was gerade geschehen ist

notice-signed-out = Du bist abgemeldet.
notice-password-reset = Dein neues Passwort ist festgelegt, und du bist auf allen Geräten abgemeldet. Melde dich mit dem neuen Passwort an.
notice-email-restored = Deine E-Mail-Adresse ist wiederhergestellt, dein neues Passwort ist festgelegt, und du bist auf allen Geräten abgemeldet.
notice-email-verified = Deine E-Mail-Adresse ist bestätigt.
notice-reset-requested = Falls wir dieses Konto und seine E-Mail-Adresse kennen, ist ein Link unterwegs. Er gilt eine Stunde.
notice-account-deleted = Dein Konto ist gelöscht.
notice-device-signed-out = Das Gerät ist abgemeldet, und seine Verbindungen sind geschlossen.
notice-others-signed-out = Du bist überall sonst abgemeldet.
notice-profile-saved = Dein Profil ist gespeichert.
notice-password-changed = Dein Passwort ist geändert, und du bist überall sonst abgemeldet.
notice-link-sent = Sieh in deinem Postfach nach: Öffne den Link, den wir an deine neue Adresse geschickt haben, um sie zu bestätigen.
notice-confirm-address = Sieh in deinem Postfach nach: Öffne den Link, den wir dir geschickt haben, und melde dich dann an.
notice-registered = Dein Konto ist bereit. Melde dich an, um fortzufahren.

## Entwicklungspostfach

dev-mail-title = Entwicklungspostfach
dev-mail-lead = Es ist kein Mailserver eingerichtet. E-Mails werden deshalb nicht verschickt, sondern auf diesem Rechner aufbewahrt, und nur er kann sie sehen, die neuesten zuerst. <link>Aktualisieren</link>
dev-mail-to = an { $address }
dev-mail-no-subject = (kein Betreff)
dev-mail-no-recipient = (kein Empfänger)
dev-mail-text = Text
dev-mail-html = HTML
dev-mail-html-title = { $subject }, als HTML
dev-mail-source = Quelltext anzeigen
dev-mail-none = Noch keine E-Mails. <register>Erstelle ein Konto</register> mit E-Mail-Adresse, oder <forgot>setze ein Passwort zurück</forgot>.

## Von Skripten gezeigt

js-wrong-address = Du hast diese Seite unter { $origin } geöffnet, wo du nicht angemeldet bleiben kannst. Öffne stattdessen { $link }.
js-show = Zeigen
js-hide = Verbergen
js-show-field = { $field } zeigen
js-hide-field = { $field } verbergen
js-strength-strong = Starkes Passwort.
js-strength-good = Gutes Passwort.

dashboard-js-idle = Nicht verbunden
dashboard-js-connecting = Verbinden …
dashboard-js-open = Verbunden
dashboard-js-waiting = Neuer Versuch
dashboard-js-ended = Abgemeldet
dashboard-js-just-now = gerade eben
dashboard-js-a-device = Unbekanntes Gerät
dashboard-js-secret-failed = Die Nachricht konnte nicht geladen werden. Versuch es noch einmal.
dashboard-js-ended-4401 = Deine Sitzung ist abgelaufen.
dashboard-js-ended-4441 = Du hast dich abgemeldet, hier oder auf einem anderen Gerät.
dashboard-js-ended-4442 = Dein Passwort wurde auf einem anderen Gerät geändert oder zurückgesetzt.
dashboard-js-ended-4443 = Dein Konto wurde geschlossen.
dashboard-js-ended-other = Die Verbindung wurde geschlossen: { $reason } ({ $code }).
dashboard-js-elsewhere = Keine Live-Verbindung: Du hast diese Seite unter { $origin } geöffnet, die Adresse des Servers ist aber { $link } (public_url). Öffne die Seite dort, oder ergänze diese Adresse in sockets.allowed_origins.
