# The texts of the pages. docs/PAGES.md, "Languages", says how these files work.
#
# $site is the name of the site. <strong> and <link> mark the text between them and its end;
# keep these words, and the names after $, as they are.

# The name of this language in itself, for the menu in which people choose it.
language-name = English

# A moment. $month is a number from 1 to 12.
moment = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } UTC

## Every page

skip-link = Skip to content
footer-about = About this site
footer-terms = Terms
footer-privacy = Privacy
footer-support = Support
footer-language = Language
footer-dev-mail = Development mailbox
# Before the page's title, in the browser's tab, when a form was refused.
title-error = Error: { $page }
# Before an error beside a field, for screen readers.
field-error = Error:
field-optional = (optional)
# Above a form, if more than one field was refused.
faults-title = { $count ->
    [one] One field needs your attention
   *[other] { $count } fields need your attention
}
faults-item = { $field }: { $detail }
# The app that a sign-in leads to.
onward = to continue to { $app }

## Fields

field-username = Username
field-username-hint = Up to 32 letters, digits, . _ - and visible to others.
field-email = Email
field-email-hint-confirm = We’ll send you a link to confirm it.
field-email-hint-optional = Lets you reset a forgotten password.
field-login = Username or email
field-password = Password
field-password-hint = At least { $min } characters. A few unusual words work better than symbols.
field-new-password = New password
field-current-password = Current password
field-display-name = Display name
field-display-name-hint = The name other people see.
field-new-email = New email
field-language = Language
field-language-browser = Same as my browser

## Start page

home-title = Welcome
home-heading = Welcome to { $site }
home-lead = Sign in once and stay connected on all your devices. Sign out, and every connection closes at once.
home-register = Create account
home-login = Sign in
# While there is no account.
first-use-title = This site is new
first-use-open = There are no accounts yet. Create the first one to see how everything works.
first-use-closed = There are no accounts yet.
first-use-admin = To manage the site, add an administrator on this computer:
home-developers = For developers
home-developers-lead = The same from a terminal. <link>Read the API reference</link>

## Sign in

login-title = Sign in
login-forgot = Forgot your password?
login-button = Sign in
login-register = New here? <link>Create an account</link>

## Create an account

register-title = Create your account
register-button = Create account
register-login = Already have an account? <link>Sign in</link>
register-invited-email = You’re invited. Your invitation was sent to { $email }, which will be your email.
register-closed-title = Registration is closed
register-closed = This site isn’t accepting new accounts.
register-invited-only-title = You need an invitation
register-invited-only = New accounts are by invitation only. Open the link in your invitation to continue.
confirm-first-title = Check your email
confirm-first-lead = Your account is ready. We sent a link to { $email }. Open it to confirm the address, then sign in.
confirm-first-again = Nothing after a few minutes? Check your spam folder, or sign in and we’ll send another link.

## Forgot your password?

forgot-title = Forgot your password?
forgot-lead = Enter your username or email, and we’ll email you a link to set a new password.
forgot-button = Send reset link
forgot-login = <link>Back to sign in</link>
forgot-sent-title = Check your email
forgot-sent-lead = If there’s an account with an email for { $login }, a link is on its way. It works for one hour.
forgot-sent-dev-mail = No mail server is set up. Find the email in the <link>development mailbox</link>.
forgot-sent-again = Nothing after a few minutes? Check your spam folder, or send it again.
forgot-sent-button = Send again

## Set a new password

reset-title = Set a new password
reset-button = Set new password
reset-note = You’ll be signed out on every device.
reset-account = Account
reset-choose = Several accounts use this email, and none has confirmed it yet. Which one is yours?

not-me-title = Wasn’t this you?
not-me-lead = Someone signed in to the account { $username }:
not-me-address = From the address { $address }
not-me-button = Sign this device out
not-me-aside = Next, you set a new password, because someone else knows this one. Was it you? Then close this page, and nothing changes.
restore-title = Recover your account
restore-lead = { $email } will be your email again.
restore-note = Set a new password, because someone else may know the old one. You’ll be signed out on every device.

## Confirm an email

verify-title = Confirm your email
verify-lead = Confirm that { $email } is the email of your account { $username }.
verify-button = Confirm email
verify-aside = Didn’t ask for this? Close this page, and nothing changes.
verify-done-title = Email confirmed
verify-done-lead = { $email } is confirmed for your account { $username }.
verify-already-title = Already confirmed
verify-already-lead = { $email } is already confirmed for your account { $username }. There’s nothing left to do.
verify-account = Go to your account

## Continue to an app

continue-title = Continue to { $app }
continue-lead = { $app } wants to sign you in as:
continue-button = Continue as { $username }
continue-other = <link>Use another account</link>
continue-dashboard = <link>Go to your account</link>
continue-aside = Didn’t come from this app? Close this page, and nothing happens.

## Sign out

logout-title = Sign out
logout-heading = Sign out?
logout-lead = This browser’s live connections close at once. Your other devices stay signed in.
logout-onward = You’ll then go back to { $app }.
logout-button = Sign out
logout-back = <link>Back to your account</link>

## Your account

dashboard-title = Your account
dashboard-heading = Hello, { $name }
dashboard-no-script = Without JavaScript, reload this page to see changes.
dashboard-sign-out = Sign out

live-reconnect = Try now

# Opens and closes a setting.
setting-change = Change
setting-close = Close

profile-title = Profile
profile-lead = Your name, language, and email.
profile-button = Save changes

email-title = Email
email-confirmed = Confirmed
email-not-confirmed = Not confirmed
email-none = No email yet. Add one so that you can reset a forgotten password.
email-add = Add email
email-hint-change = We’ll send a link to this address. It replaces your current email once you open the link.
email-hint-add = We’ll send a link to this address. Open it to confirm that it’s yours.
email-button = Send link
email-waits = This address isn’t confirmed yet. Open the link we emailed to it, or get a new one.
email-pending = { $email } becomes your email once you open the link we sent there.
email-send-again = Send again
email-cancel = Cancel change
export-title = Your data
export-lead = A file with everything that is stored about you.
export-button = Download

security-title = Security
security-lead = Your password, a way to sign out everywhere, and what happened lately.
password-title = Password
password-changed = Last set { $time }.
password-lead = Pick one that you use nowhere else.
password-note = You’ll be signed out on your other devices.
password-button = Change password

everywhere-title = All devices
everywhere-lead = Sign out on every device, including this one.
everywhere-button = Sign out everywhere

activity-title = Recent activity
activity-lead = What happened to your account. If something wasn’t you, change your password.
activity-none = Nothing yet.
activity-show-all = Show all activity
activity-times = { $count } times
# Who did it, if it was not the user.
activity-by-administrator = by an administrator
activity-by-app = by an app’s server
activity-by-server = automatically
# What happened. The keys are those of the audit trail.
activity-signed-in = Signed in
activity-signed-out = Signed out
activity-sign-in-failed = Sign-in with a wrong password
activity-sign-in-failed-locked = Sign-in blocked after too many wrong passwords
activity-sign-in-failed-disabled = Sign-in while the account was disabled
activity-sign-in-failed-email-not-verified = Sign-in before the email was confirmed
activity-confirmation-failed = Wrong password when asked to confirm a change
activity-confirmation-failed-locked = Change blocked after too many wrong passwords
activity-login-disowned = Device signed out: you said that it wasn’t you
activity-password-guessed = Device signed out after too many wrong passwords
activity-refresh-reused = Device signed out: its sign-in was used in two places
activity-code-reused = App signed out: its sign-in was used twice
activity-registered = Account created
activity-imported = Account brought over from another system
activity-exported = A copy of your data was made
activity-password-changed = Password changed
activity-password-reset = Password reset
activity-reset-started = Link for a new password sent
activity-email-change-requested = New email requested
activity-email-change-undone = Change of email undone
activity-email-verified = Email confirmed
activity-email-unverified = Email no longer confirmed
activity-renamed = Name changed
activity-language-changed = Language changed
activity-disabled = Account disabled
activity-enabled = Account enabled
activity-unlocked = Wrong passwords forgotten
activity-roles-changed = Roles changed
activity-claims-changed = Permissions of apps changed
activity-logins-revoked = Devices signed out
activity-room-member-added = Added to a room
activity-room-member-removed = Removed from a room
activity-room-banned = Banned from a room
activity-room-unbanned = Ban from a room lifted
activity-room-kicked = Kicked out of a room
activity-room-tokens-revoked = Room tokens revoked
activity-mail-given-up = An email to you couldn’t be sent
activity-other = Account changed

devices-title = Devices
devices-lead = Where you’re signed in. Signing out a device closes its connections at once.
# What a device is called, by its browser or app and its system: "Firefox on Linux".
device-name = { $client } on { $system }
device-name-system = Unknown app on { $system }
device-name-unknown = Unknown device
device-client-an-android-app = Android app
device-client-an-apple-app = Apple app
device-client-a-flutter-app = Flutter app
# This device has a live connection.
device-online = Active now
device-seen = Last seen { $time }
device-since = signed in { $time }
device-current = This device
device-sign-out = Sign out
devices-sign-out-others = Sign out other devices

connections-title = Connections
connections-lead = The live connections your devices have open right now.
connections-none = No app connected yet
connections-none-lead = Open an app that you sign in to here, and its connection appears.
connections-none-terminal = Or try it from a terminal on this computer:
connection-opened = opened { $time }
connection-current = This page

delete-title = Delete account
delete-lead = Deletes your account and everything stored with it.
delete-row = This can’t be undone
delete-meta = We’ll ask for your password first.
delete-open = Delete account…
delete-point-data = Your profile and everything stored with your account are deleted.
delete-point-devices = Every device is signed out, and its connections close at once.
delete-point-apps = Apps that you signed in to no longer recognize you.
delete-button = Delete my account for good

secret-title = Secret message
secret-lead = A demo: it arrives over your live connection, and only you can see it.
secret-code = Code:
secret-button = Show secret message

ended-title = You’re signed out
ended-button = Sign in again

## Long lists

list-show-all = Show all { $total }
pager-devices = Pages of devices
pager-connections = Pages of live connections
pager-range = { $first } to { $last } of { $total }
pager-previous = Previous
pager-next = Next

## What was just done

notice-signed-out = You’re signed out.
notice-password-reset = Your new password is set, and you’re signed out on every device. Sign in with the new password.
notice-email-restored = Your email is restored, your new password is set, and you’re signed out on every device.
notice-email-verified = Your email is confirmed.
notice-account-deleted = Your account is deleted.
notice-device-signed-out = The device is signed out, and its connections are closed.
notice-others-signed-out = Your other devices are signed out, and their connections are closed.
notice-profile-saved = Your changes are saved.
notice-password-changed = Your password is changed, and your other devices are signed out.
notice-link-sent = Check your email: open the link we sent to your new address to confirm it.
notice-link-sent-again = We’ve sent the link again, unless you’ve already asked for several. Check your spam folder, too.
notice-email-change-canceled = Your email stays as it is. The link we sent no longer works.
notice-registered = Your account is ready. Sign in to continue.
notice-device-disowned = The device is signed out. Now set a new password, because someone else knows the old one.
notice-device-disowned-only = The device is signed out. The email of your account has changed since: our first message about that has a link to recover your account.

## Development mailbox

dev-mail-title = Development mailbox
dev-mail-lead = No mail server is set up, so emails are kept on this computer instead of being sent. Only this computer can see them. Newest first.
dev-mail-refresh = Refresh
dev-mail-to = to { $address }
dev-mail-no-subject = (no subject)
dev-mail-no-recipient = (no recipient)
dev-mail-text = Text
dev-mail-html = HTML
dev-mail-html-title = { $subject }, as HTML
dev-mail-source = Show source
dev-mail-none = No emails yet
dev-mail-none-hint = <register>Create an account</register> with an email, or <forgot>reset a password</forgot>.

## Shown by scripts

# An address that cannot keep a sign-in: cookies need https.
js-wrong-address = You opened this page at { $origin }, where you can’t stay signed in. Open { $link } instead.
# For screen readers.
js-show-field = Show { $field }
js-away = The server can’t be reached right now. What you typed is still here: try again in a moment.
js-offline = You’re offline. This page may be out of date.
js-strength-strong = Strong password.
js-strength-good = Good password.

dashboard-js-idle = Not connected
dashboard-js-connecting = Connecting
dashboard-js-open = Connected
dashboard-js-waiting = Reconnecting
dashboard-js-ended = Signed out
dashboard-js-just-now = just now
dashboard-js-secret-failed = We couldn’t load the message. Try again.
dashboard-js-ended-4401 = Your session has expired.
dashboard-js-ended-4441 = You signed out, here or on another device.
dashboard-js-ended-4442 = Your password was changed or reset on another device.
dashboard-js-ended-4443 = Your account was closed.
dashboard-js-ended-other = The connection was closed: { $reason } ({ $code }).
dashboard-js-elsewhere = No live connection: you opened this page at { $origin }, but the server’s address is { $link } (public_url). Open it there, or add this address to sockets.allowed_origins.
