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
home-developers = For developers
home-developers-lead = Create an account from a terminal:

## Sign in

login-title = Sign in
login-forgot = Forgot your password?
login-button = Sign in
login-register = New here? <link>Create an account</link>

## Create an account

register-title = Create your account
register-button = Create account
register-login = Already have an account? <link>Sign in</link>
register-invited-email = Your email is { $email }, the address your invitation was sent to.
register-closed = This site isn’t accepting new accounts.
register-invited-only = You need an invitation to create an account. Open the link you were sent.

## Forgot your password?

forgot-title = Forgot your password?
forgot-lead = Enter your username or email, and we’ll email you a link to set a new password.
forgot-button = Send reset link
forgot-login = <link>Back to sign in</link>
forgot-sent-title = Check your email
forgot-sent-dev-mail = No mail server is set up. Find the email in the <link>development mailbox</link>.
forgot-sent-again = Nothing there? <link>Send another link</link>

## Set a new password

reset-title = Set a new password
reset-lead = For your account { $username }. You’ll be signed out on every device.
reset-button = Set new password
reset-choose = Several accounts use this email, and none has confirmed it yet. Which one is yours?
restore-title = Recover your account
restore-lead = { $email } will be your email again. Set a new password, because someone else may know the old one. You’ll be signed out on every device.

## Confirm an email

verify-title = Confirm your email
verify-lead = Confirm that { $email } is the email of your account { $username }.
verify-button = Confirm email
verify-aside = Didn’t ask for this? Close this page, and nothing changes.

## Continue to an app

continue-title = Continue to { $app }
continue-lead = { $app } wants to sign you in as { $username }.
continue-button = Continue as { $username }
continue-other = <link>Use another account</link>
continue-dashboard = <link>Go to your account</link>
continue-aside = Didn’t come from this app? Close this page, and nothing happens.

## Sign out

logout-title = Sign out
logout-heading = Sign out?
logout-lead = You’re signed in as { $username }. This browser’s live connections will close.
logout-onward = You’ll then go back to { $app }.
logout-button = Sign out
logout-back = <link>Back to your account</link>

## Your account

dashboard-title = Your account
dashboard-heading = Hello, { $name }
dashboard-signed-in = Signed in as { $username }
dashboard-not-confirmed = not confirmed
dashboard-no-script = This page shows how things were when it opened. Turn on JavaScript to see changes as they happen.
dashboard-sign-out = Sign out

live-reconnect = Reconnect now

secret-title = Secret message
secret-lead = It arrives over your live connection, and only you can see it.
secret-code = Code:
secret-button = Show secret message

connections-title = Live connections
connections-none = No live connections right now.
connection-opened = opened { $time }
connection-current = this page

devices-title = Devices
devices-lead = Where you’re signed in. Signing out a device closes its connections at once.
device-seen = last seen { $time }
device-since = signed in { $time }
device-current = this device
device-sign-out = Sign out
devices-sign-out-others = Sign out everywhere else

account-title = Account

profile-title = Profile
profile-button = Save changes

password-title = Change your password
password-note = You’ll be signed out everywhere else.
password-button = Change password

email-title-change = Change your email
email-title-add = Add an email
email-note = We’ll send a link to the new address. The change takes effect when you open it.
email-button = Send confirmation link

delete-title = Delete your account
delete-lead = This deletes your account and all its data for good, and signs you out on every device.
delete-button = Delete my account

ended-title = You’re signed out
ended-button = Sign in again

## Long lists

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
notice-reset-requested = If we know this account and its email, a link is on its way. It works for one hour.
notice-account-deleted = Your account is deleted.
notice-device-signed-out = The device is signed out, and its connections are closed.
notice-others-signed-out = You’re signed out everywhere else.
notice-profile-saved = Your profile is saved.
notice-password-changed = Your password is changed, and you’re signed out everywhere else.
notice-link-sent = Check your email: open the link we sent to your new address to confirm it.
notice-confirm-address = Check your email: open the link we sent you, then sign in.
notice-registered = Your account is ready. Sign in to continue.

## Development mailbox

dev-mail-title = Development mailbox
dev-mail-lead = No mail server is set up, so emails are kept on this computer instead of being sent. Only this computer can see them, newest first. <link>Refresh</link>
dev-mail-to = to { $address }
dev-mail-no-subject = (no subject)
dev-mail-no-recipient = (no recipient)
dev-mail-text = Text
dev-mail-html = HTML
dev-mail-html-title = { $subject }, as HTML
dev-mail-source = View source
dev-mail-none = No emails yet. <register>Create an account</register> with an email, or <forgot>reset a password</forgot>.

## Shown by scripts

# An address that cannot keep a sign-in: cookies need https.
js-wrong-address = You opened this page at { $origin }, where you can’t stay signed in. Open { $link } instead.
js-show = Show
js-hide = Hide
# For screen readers.
js-show-field = Show { $field }
js-hide-field = Hide { $field }
js-strength-strong = Strong password.
js-strength-good = Good password.

dashboard-js-idle = Not connected
dashboard-js-connecting = Connecting
dashboard-js-open = Connected
dashboard-js-waiting = Reconnecting
dashboard-js-ended = Signed out
dashboard-js-just-now = just now
dashboard-js-a-device = Unknown device
dashboard-js-secret-failed = We couldn’t load the message. Try again.
dashboard-js-ended-4401 = Your session has expired.
dashboard-js-ended-4441 = You signed out, here or on another device.
dashboard-js-ended-4442 = Your password was changed or reset on another device.
dashboard-js-ended-4443 = Your account was closed.
dashboard-js-ended-other = The connection was closed: { $reason } ({ $code }).
dashboard-js-elsewhere = No live connection: you opened this page at { $origin }, but the server’s address is { $link } (public_url). Open it there, or add this address to sockets.allowed_origins.
