# Die Texte der E-Mails.

email-hello = Hallo,
email-hello-name = Hallo { $username },
email-button-fails = Wenn die Schaltfläche nicht funktioniert, öffne diesen Link:
email-once = Der Link gilt einmal, bis { $expires }.
email-footer = Du bekommst diese E-Mail wegen eines Kontos bei { $home }. Sie wurde automatisch verschickt, bitte antworte nicht darauf.
email-footer-name = Du bekommst diese E-Mail wegen deines Kontos { $username } bei { $home }. Sie wurde automatisch verschickt, bitte antworte nicht darauf.
email-footer-invitation = Du bekommst diese E-Mail, weil dich jemand zu { $home } eingeladen hat. Sie wurde automatisch verschickt, bitte antworte nicht darauf.
email-privacy = Datenschutz
email-support = Hilfe

## E-Mail bestätigen

verify-email-subject = Bestätige deine E-Mail-Adresse für { $site }
verify-email-intro = Bitte bestätige, dass diese E-Mail-Adresse dir gehört. Bis dahin kann man sich mit ihr nicht bei { $site } anmelden und kein Passwort zurücksetzen.
verify-email-button = Adresse bestätigen
verify-email-ignore = Du hast diese Adresse nicht bei { $site } eingegeben? Dann ignoriere diese Nachricht. Es passiert nichts.

## Passwort zurücksetzen

reset-password-subject = Dein Passwort für { $site } zurücksetzen
reset-password-intro = Du möchtest das Passwort deines Kontos { $username } zurücksetzen.
reset-password-intro-unnamed = Du möchtest das Passwort deines Kontos zurücksetzen.
reset-password-button = Neues Passwort festlegen
reset-password-effect = Mit einem neuen Passwort wirst du auf allen Geräten abgemeldet.
reset-password-ignore = Das warst nicht du? Dann ignoriere diese Nachricht, dein Passwort bleibt, wie es ist. Gib den Link nie weiter: Wer ihn hat, kann dein Konto übernehmen.

## Passwort zurücksetzen, an eine Adresse, die nicht bestätigt ist

reset-by-address-subject = Dein Passwort für { $site } zurücksetzen
reset-by-address-intro = Jemand, hoffentlich du, möchte das Passwort eines Kontos bei { $site } zurücksetzen, das diese E-Mail-Adresse nutzt.
reset-by-address-button = Neues Passwort festlegen
reset-by-address-effect = Damit bestätigst du auch, dass die Adresse dir gehört. Wenn mehrere Konten sie nutzen, fragen wir nach deinem Benutzernamen.
reset-by-address-ignore = Das warst nicht du? Dann ignoriere diese Nachricht, es ändert sich nichts. Gib den Link nie weiter: Wer ihn hat, kann das Konto übernehmen.

## Ein Passwort wurde geändert

password-changed-subject = Dein Passwort für { $site } wurde geändert
password-changed-intro = Das Passwort deines Kontos { $username } wurde am { $at } geändert. Auf allen anderen Geräten wurdest du abgemeldet.
password-changed-intro-unnamed = Das Passwort deines Kontos wurde am { $at } geändert. Auf allen anderen Geräten wurdest du abgemeldet.
password-changed-fine = Warst du das? Dann musst du nichts tun.
password-changed-wrong = <strong>Wenn du es nicht warst</strong>, hat jemand anders Zugriff auf dein Konto. Lege sofort ein neues Passwort fest. Damit werden alle Geräte abgemeldet.
password-changed-button = Neues Passwort festlegen

## Eine E-Mail wurde geändert

email-changed-subject = Deine E-Mail-Adresse bei { $site } wurde geändert
email-changed-intro = Die E-Mail-Adresse deines Kontos { $username } wurde am { $at } geändert. Nachrichten zu deinem Konto gehen nicht mehr an diese Adresse.
email-changed-intro-unnamed = Die E-Mail-Adresse deines Kontos wurde am { $at } geändert. Nachrichten zu deinem Konto gehen nicht mehr an diese Adresse.
email-changed-fine = Warst du das? Dann musst du nichts tun.
email-changed-wrong = <strong>Wenn du es nicht warst</strong>, kennt jemand anders dein Passwort. Melde dich an, ändere dein Passwort, und trage deine E-Mail-Adresse wieder ein. Wenn du dich nicht anmelden kannst, nimm den Link aus unserer ersten Nachricht über eine geänderte E-Mail-Adresse, oder bitte den Betreiber von { $site } um Hilfe.
email-changed-button = Anmelden

## Eine E-Mail wurde geändert, mit einem Link, der das rückgängig macht

email-changed-undo-wrong = <strong>Wenn du es nicht warst</strong>, hat jemand anders Zugriff auf dein Konto.
email-changed-undo-button = Mein Konto wiederherstellen
email-changed-undo-effect = Damit ist dies wieder deine E-Mail-Adresse, du kannst ein neues Passwort festlegen, und alle Geräte werden abgemeldet. Gib den Link nie weiter.

## Eine Einladung

invitation-subject = Du bist zu { $site } eingeladen
invitation-intro = Du bist eingeladen, ein Konto bei { $site } zu erstellen. Wähle einen Benutzernamen und ein Passwort, und es geht los.
invitation-button = Konto erstellen
invitation-ignore = Du möchtest kein Konto? Dann ignoriere diese Nachricht.

## Anmeldung auf einem neuen Gerät

new-device-subject = Neue Anmeldung bei deinem Konto bei { $site }
new-device-intro = Jemand, hoffentlich du, hat sich bei deinem Konto { $username } auf einem Gerät angemeldet, das wir noch nicht kennen:
new-device-intro-unnamed = Jemand, hoffentlich du, hat sich bei deinem Konto auf einem Gerät angemeldet, das wir noch nicht kennen:
new-device-what = { $device }, von der Adresse { $address }, am { $at }.
new-device-somewhere = unbekannt
new-device-fine = Warst du das? Dann musst du nichts tun.
new-device-wrong = <strong>Wenn du es nicht warst</strong>, kennt jemand anders dein Passwort.
new-device-button = Das war ich nicht
new-device-effect = Damit werden dieses Gerät und alle, die sich danach angemeldet haben, abgemeldet, und du kannst ein neues Passwort festlegen. Gib den Link nie weiter.
