//! The examples in the help of `doorward user` and its subcommands.

pub const ALL: &str = "\
Examples:
  doorward user add alice --email alice@example.org
  doorward user add root --role admin                 # may administer the others
  doorward user list --search example.org
  doorward user roles alice --add editor --remove author
  doorward user claims alice --merge '{\"plan\":\"gold\"}'
  doorward user email alice alice@example.org --verified
  doorward user password alice
  doorward user disable alice

A server need not be stopped: it closes the sockets of revoked logins within two seconds, tells
sockets of new roles and claims as soon, and sends the emails.";

pub const ADD: &str = "\
Examples:
  doorward user add alice --email alice@example.org
  doorward user add root --role admin                       # may administer the others
  echo 'plum tree in march rain' | doorward user add alice  # the password from a pipe
  doorward user add root --role admin --create              # before the first start of the server";

pub const LIST: &str = "\
Examples:
  doorward user list
  doorward user list --search example.org
  doorward user list --limit 500 --after alice --json";

pub const SHOW: &str = "\
Examples:
  doorward user show alice
  doorward user show alice@example.org --json";

pub const DISABLE: &str = "\
Examples:
  doorward user disable alice         # all logins are revoked, and their sockets close at once
  doorward user disable root --force  # although no administrator is left then";

pub const ENABLE: &str = "\
Examples:
  doorward user enable alice";

pub const UNLOCK: &str = "\
Examples:
  doorward user unlock alice";

pub const PASSWORD: &str = "\
Examples:
  doorward user password alice
  echo 'four quiet bells at dusk' | doorward user password alice

All logins of the account are revoked, and an email tells the user.";

pub const DELETE: &str = "\
Examples:
  doorward user delete alice
  doorward user delete alice --yes   # without a question";

pub const RENAME: &str = "\
Examples:
  doorward user rename alice 'Alice Liddell'";

pub const EMAIL: &str = "\
Examples:
  doorward user email alice alice@example.com              # a link is sent there
  doorward user email alice alice@example.com --verified   # the account's at once";

pub const VERIFY_EMAIL: &str = "\
Examples:
  doorward user verify-email alice";

pub const EXPORT: &str = "\
Examples:
  doorward user export alice > alice.json";

pub const ROLES: &str = "\
Examples:
  doorward user roles alice                             # show them
  doorward user roles alice --add editor --remove author
  doorward user roles alice --replace editor,team:red";

pub const CLAIMS: &str = "\
Examples:
  doorward user claims alice                            # show them
  doorward user claims alice --merge '{\"plan\":\"gold\",\"trial\":null}'
  echo '{\"plan\":\"gold\"}' | doorward user claims alice --from -";
