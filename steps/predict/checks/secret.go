package checks

import (
	"slices"
	"strings"
	"unicode"
)

// secretWords are words of the names of headers that carry secrets.
var secretWords = []string{
	"auth", "authentication", "authorization", "authtoken", "bearer", "cookie", "cookies", "credential", "credentials", "jwt", "key", "keys",
	"pass", "passphrase", "passwd", "password", "pwd", "secret", "secrets", "session", "sessionid", "sid", "signature", "token", "tokens",
}

// secretEnds end words that are several, written as one: Apikey, Accesstoken.
var secretEnds = []string{"apikey", "accesskey", "authkey", "secretkey", "privatekey", "subscriptionkey", "token", "secret", "password", "cookie"}

// SecretHeader tells by a header's name whether its values are secrets, which do
// not belong into a file of checks nor into what is shown. One word too many is
// taken for a secret rather than one too few.
func SecretHeader(name string) bool {
	for _, word := range words(name) {
		if slices.Contains(secretWords, word) || slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(word, end) }) {
			return true
		}
	}
	return false
}

// words are those of a header's name, in small letters: they end at anything that
// is neither letter nor digit, and where a capital follows a small letter.
func words(name string) []string {
	var spaced strings.Builder
	before := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(r)
		before = r
	}
	return strings.FieldsFunc(strings.ToLower(spaced.String()), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
