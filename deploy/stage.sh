#!/bin/sh
# Writes what is installed besides the program, as the program itself generates it: manual pages, completions, and the
# settings to begin with.
#
#   deploy/stage.sh PROGRAM DIRECTORY
set -eu

# Settings of the caller must not become those of the package.
run() { env -i PATH="$PATH" "$program" "$@"; }

case $1 in /*) program=$1 ;; *) program=$PWD/$1 ;; esac
directory=$2
rm -rf "$directory"
mkdir -p "$directory/completions"
run man "$directory/man"
gzip -9n "$directory"/man/*
run completions bash > "$directory/completions/doorward.bash"
run completions zsh > "$directory/completions/_doorward"
run completions fish > "$directory/completions/doorward.fish"
run config init --data-dir /var/lib/doorward --file - > "$directory/doorward.toml"
