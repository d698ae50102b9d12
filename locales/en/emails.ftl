# The texts of emails. $site is the name of the site, $home its address.
#
# Plain quotes and no dashes, please: an email in ASCII is sent as it is, readable in its source.

email-hello = Hello,
email-hello-name = Hello { $username },
email-button-fails = If the button does not work, open this link:
email-once = The link works once, until { $expires }.
email-footer = You got this email because of an account at { $home }. It was sent automatically, so please do not reply.
email-footer-name = You got this email because of your account { $username } at { $home }. It was sent automatically, so please do not reply.
email-footer-invitation = You got this email because someone invited you to { $home }. It was sent automatically, so please do not reply.
email-privacy = Privacy
email-support = Help

## Confirm an email

verify-email-subject = Confirm your email for { $site }
verify-email-intro = Please confirm that this is your email. Until you do, it can't be used to sign in to { $site } or to reset a password.
verify-email-button = Confirm email
verify-email-ignore = Didn't enter this email at { $site }? Then ignore this message, and nothing happens.

## Reset a password

reset-password-subject = Reset your { $site } password
reset-password-intro = You asked to reset the password of your account { $username }.
reset-password-intro-unnamed = You asked to reset the password of your account.
reset-password-button = Set a new password
reset-password-effect = Setting a new password signs you out on every device.
reset-password-ignore = Wasn't you? Then ignore this message: your password stays the same. Never share the link. Anyone who has it can take over your account.

## Reset a password, sent to an address that is not confirmed

reset-by-address-subject = Reset your { $site } password
reset-by-address-intro = Someone, hopefully you, asked to reset the password of a { $site } account that uses this email.
reset-by-address-button = Set a new password
reset-by-address-effect = Opening it also confirms that the email is yours. If several accounts use it, you'll be asked for your username.
reset-by-address-ignore = Wasn't you? Then ignore this message, and nothing changes. Never share the link. Anyone who has it can take over the account.

## A password was changed

password-changed-subject = Your { $site } password was changed
password-changed-intro = The password of your account { $username } was changed on { $at }. You were signed out on all other devices.
password-changed-intro-unnamed = The password of your account was changed on { $at }. You were signed out on all other devices.
password-changed-fine = Was that you? Then there is nothing to do.
password-changed-wrong = <strong>If it wasn't you</strong>, someone else has access to your account. Set a new password right away. That signs out every device.
password-changed-button = Set a new password

## An email was changed

email-changed-subject = Your { $site } email was changed
email-changed-intro = The email of your account { $username } was changed on { $at }. Messages about your account no longer go to this address.
email-changed-intro-unnamed = The email of your account was changed on { $at }. Messages about your account no longer go to this address.
email-changed-fine = Was that you? Then there is nothing to do.
email-changed-wrong = <strong>If it wasn't you</strong>, someone else knows your password. Sign in, change your password, and set your email again. If you can't sign in, use the link in our first message about a changed email, or ask the people who run { $site } for help.
email-changed-button = Sign in

## An email was changed, with a link that takes the change back

email-changed-undo-wrong = <strong>If it wasn't you</strong>, someone else has access to your account.
email-changed-undo-button = Recover my account
email-changed-undo-effect = It makes this your email again, lets you set a new password, and signs out every device. Never share it.

## An invitation

invitation-subject = You're invited to { $site }
invitation-intro = You're invited to create an account at { $site }. Choose a username and a password to get started.
invitation-button = Create account
invitation-ignore = Don't want an account? Then ignore this message.

## A sign-in on a new device

new-device-subject = New sign-in to your { $site } account
new-device-intro = Someone, hopefully you, signed in to your account { $username } on a device that we haven't seen before:
new-device-intro-unnamed = Someone, hopefully you, signed in to your account on a device that we haven't seen before:
new-device-what = { $device }, from the address { $address }, on { $at }.
new-device-somewhere = unknown
new-device-fine = Was that you? Then there is nothing to do.
new-device-wrong = <strong>If it wasn't you</strong>, someone else knows your password.
new-device-button = This wasn't me
new-device-effect = It signs out that device and all that signed in after it, and lets you set a new password. Never share it.
