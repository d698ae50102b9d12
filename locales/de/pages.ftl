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
footer-language = Sprache
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
first-use-title = Diese Seite ist neu
first-use-open = Hier gibt es noch kein Konto. Erstelle das erste, um alles auszuprobieren.
first-use-closed = Hier gibt es noch kein Konto.
first-use-admin = Um die Seite zu verwalten, füge auf diesem Computer einen Administrator hinzu:
home-developers = Für Entwickler
home-developers-lead = Dasselbe im Terminal. <link>Zur API-Referenz</link>

## Anmelden

login-title = Anmelden
login-forgot = Passwort vergessen?
login-button = Anmelden
login-register = Neu hier? <link>Konto erstellen</link>

## Konto erstellen

register-title = Konto erstellen
register-button = Konto erstellen
register-login = Hast du schon ein Konto? <link>Anmelden</link>
register-invited-email = Du bist eingeladen. Die Einladung ging an { $email }. Das wird deine E-Mail-Adresse.
register-closed-title = Die Registrierung ist geschlossen
register-closed = Hier können keine neuen Konten erstellt werden.
register-invited-only-title = Du brauchst eine Einladung
register-invited-only = Neue Konten gibt es nur auf Einladung. Öffne den Link in deiner Einladung.
confirm-first-title = Sieh in deinem Postfach nach
confirm-first-lead = Dein Konto ist bereit. Wir haben einen Link an { $email } geschickt. Öffne ihn, um die Adresse zu bestätigen, und melde dich dann an.
confirm-first-again = Nach ein paar Minuten noch nichts da? Sieh im Spam-Ordner nach, oder melde dich an. Dann schicken wir einen neuen Link.

## Passwort vergessen

forgot-title = Passwort vergessen?
forgot-lead = Gib deinen Benutzernamen oder deine E-Mail-Adresse ein. Wir schicken dir einen Link, mit dem du ein neues Passwort festlegst.
forgot-button = Link senden
forgot-login = <link>Zurück zur Anmeldung</link>
forgot-sent-title = Sieh in deinem Postfach nach
forgot-sent-lead = Wenn es für { $login } ein Konto mit E-Mail-Adresse gibt, ist ein Link unterwegs. Er gilt eine Stunde.
forgot-sent-dev-mail = Es ist kein Mailserver eingerichtet. Die E-Mail liegt im <link>Entwicklungspostfach</link>.
forgot-sent-again = Nach ein paar Minuten noch nichts da? Sieh im Spam-Ordner nach, oder sende den Link noch einmal.
forgot-sent-button = Noch einmal senden

## Neues Passwort

reset-title = Neues Passwort festlegen
reset-button = Passwort festlegen
reset-note = Du wirst auf allen Geräten abgemeldet.
reset-account = Konto
reset-choose = Mehrere Konten nutzen diese E-Mail-Adresse, und keines hat sie bisher bestätigt. Welches ist deines?

not-me-title = Warst das nicht du?
not-me-lead = Jemand hat sich bei dem Konto { $username } angemeldet:
not-me-address = Von der Adresse { $address }
not-me-button = Dieses Gerät abmelden
not-me-aside = Danach legst du ein neues Passwort fest, denn jemand anders kennt dieses. Warst du es doch? Dann schließe diese Seite. Es ändert sich nichts.
restore-title = Konto wiederherstellen
restore-lead = { $email } wird wieder die E-Mail-Adresse deines Kontos.
restore-note = Lege ein neues Passwort fest, denn vielleicht kennt jemand anders das alte. Du wirst auf allen Geräten abgemeldet.

## E-Mail bestätigen

verify-title = E-Mail-Adresse bestätigen
verify-lead = Bestätige, dass { $email } die E-Mail-Adresse deines Kontos { $username } ist.
verify-button = Adresse bestätigen
verify-aside = Das warst nicht du? Dann schließe diese Seite. Es ändert sich nichts.
verify-done-title = E-Mail-Adresse bestätigt
verify-done-lead = { $email } ist für dein Konto { $username } bestätigt.
verify-already-title = Schon bestätigt
verify-already-lead = { $email } ist für dein Konto { $username } schon bestätigt. Du musst nichts weiter tun.
verify-account = Zu deinem Konto

## Weiter zu einer App

continue-title = Weiter zu { $app }
continue-lead = { $app } möchte dich mit diesem Konto anmelden:
continue-button = Weiter als { $username }
continue-other = <link>Anderes Konto verwenden</link>
continue-dashboard = <link>Zu deinem Konto</link>
continue-aside = Du kommst nicht von dieser App? Dann schließe diese Seite. Es passiert nichts.

## Abmelden

logout-title = Abmelden
logout-heading = Abmelden?
logout-lead = Die Live-Verbindungen dieses Browsers werden sofort geschlossen. Auf deinen anderen Geräten bleibst du angemeldet.
logout-onward = Danach geht es zurück zu { $app }.
logout-button = Abmelden
logout-back = <link>Zurück zu deinem Konto</link>

## Dein Konto

dashboard-title = Dein Konto
dashboard-heading = Hallo, { $name }
dashboard-no-script = Ohne JavaScript siehst du Änderungen erst, wenn du die Seite neu lädst.
dashboard-sign-out = Abmelden

live-reconnect = Jetzt versuchen

setting-change = Ändern
setting-close = Schließen

profile-title = Profil
profile-lead = Dein Name, deine Sprache und deine E-Mail-Adresse.
profile-button = Änderungen speichern

email-title = E-Mail-Adresse
email-confirmed = Bestätigt
email-not-confirmed = Nicht bestätigt
email-none = Noch keine E-Mail-Adresse. Mit einer kannst du ein vergessenes Passwort zurücksetzen.
email-add = Hinzufügen
email-hint-change = Wir schicken einen Link an diese Adresse. Sobald du ihn öffnest, ersetzt sie die bisherige.
email-hint-add = Wir schicken einen Link an diese Adresse. Öffne ihn, um sie zu bestätigen.
email-button = Link senden
email-waits = Diese Adresse ist noch nicht bestätigt. Öffne den Link, den wir dir geschickt haben, oder fordere einen neuen an.
email-pending = { $email } wird deine E-Mail-Adresse, sobald du den Link öffnest, den wir dorthin geschickt haben.
email-send-again = Erneut senden
email-cancel = Änderung verwerfen
export-title = Deine Daten
export-lead = Eine Datei mit allem, was über dich gespeichert ist.
export-button = Herunterladen

security-title = Sicherheit
security-lead = Dein Passwort, wie du dich überall abmeldest, und was zuletzt geschehen ist.
password-title = Passwort
password-changed = Zuletzt gesetzt: { $time }.
password-lead = Am besten eines, das du sonst nirgends verwendest.
password-note = Auf deinen anderen Geräten wirst du abgemeldet.
password-button = Passwort ändern

everywhere-title = Alle Geräte
everywhere-lead = Auf allen Geräten abmelden, auch auf diesem.
everywhere-button = Überall abmelden

activity-title = Letzte Aktivitäten
activity-lead = Was mit deinem Konto geschehen ist. Wenn etwas davon nicht von dir war, ändere dein Passwort.
activity-none = Noch nichts.
activity-show-all = Alle Aktivitäten anzeigen
activity-times = { $count }-mal
activity-by-administrator = durch die Verwaltung
activity-by-app = durch den Server einer App
activity-by-server = automatisch
activity-signed-in = Angemeldet
activity-signed-out = Abgemeldet
activity-sign-in-failed = Anmeldung mit falschem Passwort
activity-sign-in-failed-locked = Anmeldung gesperrt nach zu vielen falschen Passwörtern
activity-sign-in-failed-disabled = Anmeldung, während das Konto gesperrt war
activity-sign-in-failed-email-not-verified = Anmeldung, bevor die E-Mail-Adresse bestätigt war
activity-confirmation-failed = Falsches Passwort beim Bestätigen einer Änderung
activity-confirmation-failed-locked = Änderung gesperrt nach zu vielen falschen Passwörtern
activity-login-disowned = Gerät abgemeldet: Du warst das nicht
activity-password-guessed = Gerät abgemeldet nach zu vielen falschen Passwörtern
activity-refresh-reused = Gerät abgemeldet: seine Anmeldung wurde an zwei Orten verwendet
activity-code-reused = App abgemeldet: ihre Anmeldung wurde zweimal verwendet
activity-registered = Konto erstellt
activity-imported = Konto aus einem anderen System übernommen
activity-exported = Eine Kopie deiner Daten wurde erstellt
activity-password-changed = Passwort geändert
activity-password-reset = Passwort zurückgesetzt
activity-reset-started = Link für ein neues Passwort verschickt
activity-email-change-requested = Neue E-Mail-Adresse angefordert
activity-email-change-undone = Änderung der E-Mail-Adresse rückgängig gemacht
activity-email-verified = E-Mail-Adresse bestätigt
activity-email-unverified = E-Mail-Adresse nicht mehr bestätigt
activity-renamed = Name geändert
activity-language-changed = Sprache geändert
activity-disabled = Konto gesperrt
activity-enabled = Konto wieder freigegeben
activity-unlocked = Falsche Passwörter vergessen
activity-roles-changed = Rollen geändert
activity-claims-changed = Berechtigungen in Apps geändert
activity-logins-revoked = Geräte abgemeldet
activity-room-member-added = In einen Raum aufgenommen
activity-room-member-removed = Aus einem Raum entfernt
activity-room-banned = Aus einem Raum verbannt
activity-room-unbanned = Verbannung aus einem Raum aufgehoben
activity-room-kicked = Aus einem Raum gewiesen
activity-room-tokens-revoked = Raum-Token widerrufen
activity-mail-given-up = Eine E-Mail an dich konnte nicht verschickt werden
activity-other = Konto geändert

devices-title = Geräte
devices-lead = Hier bist du angemeldet. Wenn du ein Gerät abmeldest, werden seine Verbindungen sofort geschlossen.
device-name = { $client } auf { $system }
device-name-system = Unbekannte App auf { $system }
device-name-unknown = Unbekanntes Gerät
device-client-an-android-app = Android-App
device-client-an-apple-app = Apple-App
device-client-a-flutter-app = Flutter-App
device-online = Gerade aktiv
device-seen = Zuletzt aktiv { $time }
device-since = angemeldet { $time }
device-current = Dieses Gerät
device-sign-out = Abmelden
devices-sign-out-others = Andere Geräte abmelden

connections-title = Verbindungen
connections-lead = Die Live-Verbindungen, die deine Geräte gerade geöffnet haben.
connections-none = Noch keine App verbunden
connections-none-lead = Öffne eine App, bei der du dich hier anmeldest. Dann erscheint ihre Verbindung.
connections-none-terminal = Oder probiere es auf diesem Computer im Terminal aus:
connection-opened = geöffnet { $time }
connection-current = Diese Seite

delete-title = Konto löschen
delete-lead = Löscht dein Konto und alles, was dazu gespeichert ist.
delete-row = Das lässt sich nicht rückgängig machen
delete-meta = Zuerst fragen wir nach deinem Passwort.
delete-open = Konto löschen …
delete-point-data = Dein Profil und alles, was zu deinem Konto gespeichert ist, wird gelöscht.
delete-point-devices = Alle Geräte werden abgemeldet, und ihre Verbindungen werden sofort geschlossen.
delete-point-apps = Apps, bei denen du angemeldet warst, erkennen dich nicht mehr.
delete-button = Mein Konto endgültig löschen

secret-title = Geheime Nachricht
secret-lead = Zum Ausprobieren: Sie kommt über deine Live-Verbindung, und nur du kannst sie sehen.
secret-code = Code:
secret-button = Geheime Nachricht zeigen

ended-title = Du bist abgemeldet
ended-button = Wieder anmelden

## Lange Listen

list-show-all = Alle { $total } anzeigen
pager-devices = Seiten der Geräte
pager-connections = Seiten der Verbindungen
pager-range = { $first } bis { $last } von { $total }
pager-previous = Zurück
pager-next = Weiter

## Was gerade geschehen ist

notice-signed-out = Du bist abgemeldet.
notice-password-reset = Dein neues Passwort ist festgelegt, und du bist auf allen Geräten abgemeldet. Melde dich mit dem neuen Passwort an.
notice-email-restored = Deine E-Mail-Adresse ist wiederhergestellt, dein neues Passwort ist festgelegt, und du bist auf allen Geräten abgemeldet.
notice-email-verified = Deine E-Mail-Adresse ist bestätigt.
notice-account-deleted = Dein Konto ist gelöscht.
notice-device-signed-out = Das Gerät ist abgemeldet, und seine Verbindungen sind geschlossen.
notice-others-signed-out = Deine anderen Geräte sind abgemeldet, und ihre Verbindungen sind geschlossen.
notice-profile-saved = Deine Änderungen sind gespeichert.
notice-password-changed = Dein Passwort ist geändert, und deine anderen Geräte sind abgemeldet.
notice-link-sent = Sieh in deinem Postfach nach: Öffne den Link, den wir an deine neue Adresse geschickt haben, um sie zu bestätigen.
notice-link-sent-again = Wir haben den Link noch einmal geschickt, falls du nicht schon mehrere angefordert hast. Sieh auch im Spam-Ordner nach.
notice-email-change-canceled = Deine E-Mail-Adresse bleibt, wie sie ist. Der Link, den wir geschickt haben, gilt nicht mehr.
notice-registered = Dein Konto ist bereit. Melde dich an, um fortzufahren.
notice-device-disowned = Das Gerät ist abgemeldet. Lege jetzt ein neues Passwort fest, denn jemand anders kennt das alte.
notice-device-disowned-only = Das Gerät ist abgemeldet. Die E-Mail-Adresse deines Kontos wurde seitdem geändert: Unsere erste Nachricht darüber hat einen Link, mit dem du dein Konto wiederherstellst.

## Entwicklungspostfach

dev-mail-title = Entwicklungspostfach
dev-mail-lead = Es ist kein Mailserver eingerichtet. E-Mails werden deshalb nicht verschickt, sondern auf diesem Rechner aufbewahrt, und nur er kann sie sehen, die neuesten zuerst.
dev-mail-refresh = Aktualisieren
dev-mail-to = an { $address }
dev-mail-no-subject = (kein Betreff)
dev-mail-no-recipient = (kein Empfänger)
dev-mail-text = Text
dev-mail-html = HTML
dev-mail-html-title = { $subject }, als HTML
dev-mail-source = Quelltext anzeigen
dev-mail-none = Noch keine E-Mails
dev-mail-none-hint = <register>Erstelle ein Konto</register> mit E-Mail-Adresse, oder <forgot>setze ein Passwort zurück</forgot>.

## Von Skripten gezeigt

js-wrong-address = Du hast diese Seite unter { $origin } geöffnet, wo du nicht angemeldet bleiben kannst. Öffne stattdessen { $link }.
js-show-field = { $field } zeigen
js-away = Der Server ist gerade nicht erreichbar. Deine Eingaben sind noch da: Versuch es gleich noch einmal.
js-offline = Du bist offline. Diese Seite ist vielleicht nicht mehr aktuell.
js-strength-strong = Starkes Passwort.
js-strength-good = Gutes Passwort.

dashboard-js-idle = Nicht verbunden
dashboard-js-connecting = Verbinden …
dashboard-js-open = Verbunden
dashboard-js-waiting = Neuer Versuch
dashboard-js-ended = Abgemeldet
dashboard-js-just-now = gerade eben
dashboard-js-secret-failed = Die Nachricht konnte nicht geladen werden. Versuch es noch einmal.
dashboard-js-ended-4401 = Deine Sitzung ist abgelaufen.
dashboard-js-ended-4441 = Du hast dich abgemeldet, hier oder auf einem anderen Gerät.
dashboard-js-ended-4442 = Dein Passwort wurde auf einem anderen Gerät geändert oder zurückgesetzt.
dashboard-js-ended-4443 = Dein Konto wurde geschlossen.
dashboard-js-ended-other = Die Verbindung wurde geschlossen: { $reason } ({ $code }).
dashboard-js-elsewhere = Keine Live-Verbindung: Du hast diese Seite unter { $origin } geöffnet, die Adresse des Servers ist aber { $link } (public_url). Öffne die Seite dort, oder ergänze diese Adresse in sockets.allowed_origins.
