# Was schiefgehen kann, nach den festen Codes der API.

## Ein Feld eines Formulars

error-invalid-login-missing = Gib deinen Benutzernamen oder deine E-Mail-Adresse ein.
error-invalid-username-missing = Gib einen Benutzernamen ein.
error-invalid-username-too-long = Dein Benutzername darf höchstens { $max } Zeichen haben.
error-invalid-username-start = Dein Benutzername muss mit einem Buchstaben oder einer Ziffer beginnen.
error-invalid-username-characters = Dein Benutzername darf nur Buchstaben, Ziffern, . _ und - enthalten.
error-username-taken = Dieser Benutzername ist vergeben. Wähle einen anderen.
error-username-taken-similar = Dieser Benutzername sieht einem vergebenen zu ähnlich. Wähle einen anderen.
error-username-reserved = Dieser Benutzername ist reserviert. Wähle einen anderen.
error-invalid-email-malformed = Gib eine E-Mail-Adresse wie name@example.org ein.
error-invalid-email-required = Gib deine E-Mail-Adresse ein. Ohne sie kannst du hier kein Konto erstellen.
error-invalid-email-domain = Konten brauchen hier eine E-Mail-Adresse bei einer dieser Domains: { $domains }.
error-invalid-email-invited = Diese Einladung ging an eine andere E-Mail-Adresse. Verwende diese.
error-email-held = Diese E-Mail-Adresse gehört zu einem anderen Konto.
error-invalid-password-too-short = Dein Passwort braucht mindestens { $min } Zeichen.
error-invalid-password-too-long = Dein Passwort darf höchstens { $max } Zeichen haben.
error-invalid-current-password-missing = Gib dein aktuelles Passwort ein.
error-wrong-password = Dieses Passwort ist falsch.
error-invalid-display-name-too-long = Dein Anzeigename darf höchstens { $max } Zeichen haben.
error-invalid-display-name-empty = Gib einen Anzeigenamen ein.
error-invalid-display-name-controls = Dein Anzeigename enthält Zeichen, die die Textrichtung ändern. Entferne sie.
error-invalid-display-name-invisible = Dein Anzeigename enthält unsichtbare Zeichen. Entferne sie.
error-invalid-display-name-characters = Dein Anzeigename darf nur Buchstaben, Ziffern, Leerzeichen, Satzzeichen und Symbole enthalten.
error-invalid-display-name-marks = Dein Anzeigename hat zu viele Zeichen auf einem Buchstaben.
error-invalid-language = Wähle eine Sprache aus der Liste.
error-choose-account = Mehrere Konten nutzen diese E-Mail-Adresse. Gib deinen Benutzernamen ein.

## Ein Formular

error-invalid-credentials = Benutzername, E-Mail-Adresse oder Passwort ist falsch. Deine E-Mail-Adresse kannst du verwenden, sobald sie bestätigt ist.
error-too-many-attempts = Zu viele falsche Passwörter. Versuch es in { $wait } noch einmal, oder setze dein Passwort zurück.
error-email-not-verified = Bestätige zuerst deine E-Mail-Adresse: Öffne den Link, den wir dir geschickt haben. Wenn er nicht ankommt, melde dich in einer Minute noch einmal an. Dann schicken wir dir einen neuen.
error-registration-closed = Hier können keine neuen Konten erstellt werden.
error-invitation-required = Für ein neues Konto brauchst du eine Einladung.
error-too-many-requests = Zu viele Anfragen aus deinem Netz. Versuch es in { $wait } noch einmal.
error-overloaded = Wir sind gerade ausgelastet. Versuch es gleich noch einmal.
error-draining = Wir starten gerade neu. Versuch es gleich noch einmal.

wait-seconds = { $count ->
    [one] einer Sekunde
   *[other] { $count } Sekunden
}
wait-minutes = { $count ->
    [one] einer Minute
   *[other] { $count } Minuten
}

## Anstelle einer Seite

error-internal = Bei uns ist etwas schiefgegangen. Versuch es gleich noch einmal.
error-not-found = Diese Seite gibt es nicht. Prüfe die Adresse, oder fang von vorn an.
error-invalid-link = Dieser Link wurde schon benutzt, ist abgelaufen oder unvollständig.
error-invalid-invitation = Diese Einladung wurde schon benutzt, zurückgezogen oder ist abgelaufen.
error-https-required = Du hast diese Seite unter { $origin } geöffnet. Dort kannst du nicht angemeldet bleiben, deshalb ist nichts passiert.
error-cross-site = Diese Anfrage kam von der Seite einer anderen Website. Öffne { $home }, und versuch es noch einmal.
error-cross-site-other-origin = Diese Anfrage kam von einer Seite, die unter { $origin } geöffnet wurde. Die Adresse des Servers ist aber { $home } (public_url). Öffne { $home }, und versuch es noch einmal.
error-method-not-allowed = Diese Adresse kann man so nicht öffnen.
error-not-signed-in = Du bist nicht angemeldet.
error-body-timeout = Deine Verbindung war zu langsam. Versuch es noch einmal.
error-too-large = Das war mehr, als wir annehmen können.
error-other = Das hat nicht geklappt. Geh zurück, und versuch es noch einmal.

error-title-invalid-link = Dieser Link gilt nicht mehr
error-title-invalid-invitation = Diese Einladung gilt nicht mehr
error-title-not-found = Seite nicht gefunden
error-title-https-required = Öffne diese Seite über https
error-title-forbidden = Anfrage abgelehnt
error-title-too-many-requests = Zu viele Anfragen
error-title-unavailable = Gleich sind wir wieder da
error-title-internal = Etwas ist schiefgegangen
error-title-other = Das hat nicht geklappt

error-open-elsewhere = { $url } öffnen
error-new-link = Neuen Link anfordern
error-maybe-confirmed = Vielleicht ist deine E-Mail-Adresse schon bestätigt. Melde dich an, um nachzusehen oder einen neuen Link zu bekommen.
error-status = Fehler { $status }
error-home = Zur Startseite
error-request-id = Wenn du das meldest, nenne die Anfrage-ID { $id }.

## Passwörter, die leicht zu erraten sind

rating-weak = Dieses Passwort ist zu leicht zu erraten.
rating-too-short = Nimm mindestens { $min } Zeichen.
rating-too-long = Nimm höchstens { $max } Zeichen.
rating-contains-name = Dieses Passwort enthält deinen Namen, deine E-Mail-Adresse oder den Namen dieser Seite.
rating-straight-rows = Tastenreihen sind leicht zu erraten.
rating-keyboard-pattern = Kurze Muster auf der Tastatur sind leicht zu erraten.
rating-repeats = Wiederholungen wie „aaa“ sind leicht zu erraten.
rating-repeated-blocks = Wiederholungen wie „abcabcabc“ sind kaum schwerer zu erraten als „abc“.
rating-top-ten = Das ist eines der zehn häufigsten Passwörter.
rating-top-hundred = Das ist eines der hundert häufigsten Passwörter.
rating-common = Das ist ein sehr häufiges Passwort.
rating-similar-to-common = Das ist einem häufigen Passwort zu ähnlich.
rating-sequences = Folgen wie „abc“ oder „6543“ sind leicht zu erraten.
rating-recent-years = Jahreszahlen aus jüngerer Zeit sind leicht zu erraten.
rating-single-word = Ein einzelnes Wort ist leicht zu erraten.
rating-dates = Daten sind leicht zu erraten.
rating-single-name = Ein Name allein ist leicht zu erraten.
rating-common-names = Häufige Namen sind leicht zu erraten.

rating-suggest-unrelated = Nimm Wörter, die nichts mit dir zu tun haben.
rating-suggest-few-words = Nimm ein paar Wörter, die nicht zusammengehören.
rating-suggest-no-symbols = Sonderzeichen, Ziffern und Großbuchstaben sind nicht nötig.
rating-suggest-another-word = Füge noch ein oder zwei Wörter hinzu, je ungewöhnlicher, desto besser.
rating-suggest-capitals = Großbuchstaben helfen kaum.
rating-suggest-all-capitals = Nur Großbuchstaben sind fast so leicht zu erraten wie nur kleine.
rating-suggest-reversed = Rückwärts geschriebene Wörter sind kaum schwerer zu erraten.
rating-suggest-substitutions = Ersetzungen wie „@“ für „a“ helfen kaum.
rating-suggest-longer-pattern = Nimm ein längeres Muster mit mehr Richtungswechseln.
rating-suggest-no-repeats = Vermeide wiederholte Wörter und Zeichen.
rating-suggest-no-sequences = Vermeide Folgen.
rating-suggest-no-recent-years = Vermeide Jahreszahlen aus jüngerer Zeit.
rating-suggest-no-own-years = Vermeide Jahreszahlen, die etwas mit dir zu tun haben.
rating-suggest-no-own-dates = Vermeide Daten und Jahreszahlen, die etwas mit dir zu tun haben.
