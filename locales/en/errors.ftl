# What goes wrong, by the API's stable codes: "error-" and the code, with - for _, and, where one code has several
# causes, the cause after it.

## A field of a form

error-invalid-login-missing = Enter your username or email.
error-invalid-username-missing = Enter a username.
error-invalid-username-too-long = Use at most { $max } characters in your username.
error-invalid-username-start = Start your username with a letter or a digit.
error-invalid-username-characters = Use only letters, digits, . _ and - in your username.
error-username-taken = This username is taken. Try another one.
error-username-taken-similar = This username looks too much like one that is taken. Try another one.
error-username-reserved = This username is reserved. Try another one.
error-invalid-email-malformed = Enter an email like name@example.org.
error-invalid-email-required = Enter your email. You need one to create an account here.
error-invalid-email-domain = Accounts here need an email at one of these domains: { $domains }.
error-invalid-email-invited = This invitation was sent to another email. Use that one.
error-email-held = This email belongs to another account.
error-invalid-password-too-short = Use at least { $min } characters in your password.
error-invalid-password-too-long = Use at most { $max } characters in your password.
error-invalid-current-password-missing = Enter your current password.
error-wrong-password = This password is wrong.
error-invalid-display-name-too-long = Use at most { $max } characters in your display name.
error-invalid-display-name-empty = Enter a display name.
error-invalid-display-name-controls = Your display name has characters that change the direction of text. Remove them.
error-invalid-display-name-invisible = Your display name has invisible characters. Remove them.
error-invalid-display-name-characters = Use only letters, digits, spaces, punctuation and symbols in your display name.
error-invalid-display-name-marks = Your display name has too many marks on one letter.
error-invalid-language = Choose one of the languages in the list.
error-choose-account = Several accounts use this email. Enter your username.

## A form

error-invalid-credentials = Wrong username, email or password. You can use your email once it’s confirmed.
error-too-many-attempts = Too many wrong passwords. Try again in { $wait }, or reset your password.
error-email-not-verified = Confirm your email first: open the link we sent you. If it doesn’t arrive, sign in again in a minute and we’ll send another one.
error-registration-closed = This site isn’t accepting new accounts.
error-invitation-required = You need an invitation to create an account.
error-too-many-requests = Too many requests from your network. Try again in { $wait }.
error-overloaded = We’re busy right now. Try again in a moment.
error-draining = We’re restarting. Try again in a moment.

wait-seconds = { $count ->
    [one] a second
   *[other] { $count } seconds
}
wait-minutes = { $count ->
    [one] a minute
   *[other] { $count } minutes
}

## In place of a page

error-internal = Something went wrong on our side. Try again in a moment.
error-not-found = This page doesn’t exist. Check the address, or start over.
error-invalid-link = This link has been used, has expired, or is incomplete.
error-invalid-invitation = This invitation has been used, was withdrawn, or has expired.
error-https-required = You opened this page at { $origin }, where you can’t stay signed in, so nothing was done.
error-cross-site = This request came from another site’s page. Open { $home } and try again.
# public_url is a setting of the server: the person who meets this may be the one who sets it.
error-cross-site-other-origin = This request came from a page opened at { $origin }, but the server’s address is { $home } (public_url). Open { $home } and try again.
error-method-not-allowed = This address can’t be opened like that.
error-not-signed-in = You’re not signed in.
error-body-timeout = Your connection was too slow. Try again.
error-too-large = That was more than we can accept.
# Any other error of a request.
error-other = We couldn’t do that. Go back and try again.

error-title-invalid-link = This link no longer works
error-title-invalid-invitation = This invitation no longer works
error-title-not-found = Page not found
error-title-https-required = Open this page over https
error-title-forbidden = Request refused
error-title-too-many-requests = Too many requests
error-title-unavailable = We’ll be right back
error-title-internal = Something went wrong
error-title-other = That didn’t work

error-open-elsewhere = Open { $url }
error-new-link = Send a new link
error-maybe-confirmed = Your email may be confirmed already. Sign in to check, or to get a new link.
error-status = Error { $status }
error-home = Go to the start page
error-request-id = If you report this, mention the request ID { $id }.

## Passwords that are easy to guess, by the codes of the API

rating-weak = This password is too easy to guess.
rating-too-short = Use at least { $min } characters.
rating-too-long = Use at most { $max } characters.
rating-contains-name = This password contains your name, your email or the name of this site.
rating-straight-rows = Rows of keys are easy to guess.
rating-keyboard-pattern = Short keyboard patterns are easy to guess.
rating-repeats = Repeats like “aaa” are easy to guess.
rating-repeated-blocks = Repeats like “abcabcabc” are hardly harder to guess than “abc”.
rating-top-ten = This is one of the ten most used passwords.
rating-top-hundred = This is one of the hundred most used passwords.
rating-common = This is a very common password.
rating-similar-to-common = This is too similar to a common password.
rating-sequences = Sequences like “abc” or “6543” are easy to guess.
rating-recent-years = Recent years are easy to guess.
rating-single-word = A single word is easy to guess.
rating-dates = Dates are easy to guess.
rating-single-name = A name on its own is easy to guess.
rating-common-names = Common names are easy to guess.

rating-suggest-unrelated = Use words that have nothing to do with you.
rating-suggest-few-words = Use a few words that don’t belong together.
rating-suggest-no-symbols = You don’t need symbols, digits or capitals.
rating-suggest-another-word = Add another word or two, the more unusual the better.
rating-suggest-capitals = Capitals don’t help much.
rating-suggest-all-capitals = All capitals are almost as easy to guess as none.
rating-suggest-reversed = Reversed words aren’t much harder to guess.
rating-suggest-substitutions = Swaps like “@” for “a” don’t help much.
rating-suggest-longer-pattern = Use a longer keyboard pattern with more turns.
rating-suggest-no-repeats = Avoid repeated words and characters.
rating-suggest-no-sequences = Avoid sequences.
rating-suggest-no-recent-years = Avoid recent years.
rating-suggest-no-own-years = Avoid years that mean something to you.
rating-suggest-no-own-dates = Avoid dates and years that mean something to you.
