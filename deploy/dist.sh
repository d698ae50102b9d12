#!/bin/sh
# Makes what is handed out: an archive, a Debian package, a list of the dependencies (SBOM), and their checksums.
#
#   deploy/dist.sh [DIRECTORY]
#
# Two runs on one commit and one system make the same files: every time in them is that of the commit. Needs cargo-deb
# and cargo-cyclonedx; DOORWARD_DIST_PROFILE=release is faster to build, and larger.
set -eu
cd "$(dirname "$0")/.."

profile=${DOORWARD_DIST_PROFILE:-dist}
target=${CARGO_TARGET_DIR:-target}
built=$target/$profile
out=${1:-$target/dist/artifacts}
for tool in cargo-deb cargo-cyclonedx; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: cargo install $tool --locked" >&2; exit 1; }
done

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
# The source's and the registry's paths are in panic messages. Without them, the place of the build makes no difference.
home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=doorward --remap-path-prefix=$home=cargo"
export SOURCE_DATE_EPOCH RUSTFLAGS
umask 022
mkdir -p "$out"
# Only what an earlier run left: the directory may be the caller's.
rm -rf "$out"/doorward[-_]* "$out/SHA256SUMS"

cargo build --locked --profile "$profile" --package doorward --bin doorward
# The profile strips too, but the linker leaves a table of symbols of 4 MB.
strip --strip-all "$built/doorward"
deploy/stage.sh "$built/doorward" "$built/package"

version=$("$built/doorward" --version | cut -d ' ' -f 2)
name=doorward-$version-linux-$(uname -m)

cargo deb --locked --no-build --no-strip --profile "$profile" --package doorward --output "$out/"

# Of the program alone: what only tests need is not in it. The place and the time of the build are taken out.
cargo cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --manifest-path Cargo.toml
sed -e "s|file://$PWD|file:///doorward|g" -e '/"serialNumber"/d' \
    -e "s|\"timestamp\": \"[^\"]*\"|\"timestamp\": \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)\"|" \
    doorward_bin.cdx.json > "$out/$name.cdx.json"
rm doorward_bin.cdx.json

tree=$built/$name
rm -rf "$tree"
mkdir "$tree"
cp "$built/doorward" deploy/doorward.service LICENSE README.md CHANGELOG.md "$tree/"
cp -R "$built/package/." docs "$tree/"
# Not beside the program, which would read it when it is tried there, and use /var/lib/doorward.
mkdir "$tree/etc"
mv "$tree/doorward.toml" "$tree/etc/"
tar --directory "$built" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --create "$name" | gzip -n9 > "$out/$name.tar.gz"
rm -r "$tree"

cd "$out"
sha256sum -- * > SHA256SUMS
cat SHA256SUMS
ls -l
