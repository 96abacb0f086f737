package step

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSpelled bounds the secrets, in bytes, whose spellings are looked for.
const maxSpelled = 4 << 10

// longestSpelling is how many bytes one byte of a secret becomes at most, as a
// number of HTML with zeros before it.
const longestSpelling = 12

// spelling finds a secret whose characters are escaped, any of them in any way: as
// JSON does it (also twice, as JSON in a text of JSON), as HTML does it, or as a
// URL does it.
type spelling struct {
	found *regexp.Regexp
	// plain is the longest part that is never escaped: where it is not, nothing is.
	plain string
}

func (s *spelling) replace(text string) string {
	if !strings.Contains(text, s.plain) {
		return text
	}
	return s.found.ReplaceAllLiteralString(text, Redacted)
}

// spellings finds a secret that is escaped; nil: none of its characters ever is.
func spellings(secret string) *spelling {
	if len(secret) > maxSpelled || !utf8.ValidString(secret) || strings.IndexFunc(secret, escapable) < 0 {
		return nil
	}
	var b strings.Builder
	for _, r := range secret {
		spell(&b, r)
	}
	found, err := regexp.Compile(b.String())
	if err != nil {
		return nil // a secret is then found as it is
	}
	s := &spelling{found: found}
	for _, part := range strings.FieldsFunc(secret, escapable) {
		if len(part) > len(s.plain) {
			s.plain = part
		}
	}
	return s
}

// escapable tells whether any of the usual ways escapes a character.
func escapable(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		return false
	}
	return true
}

// named are the names that HTML has for characters it escapes.
var named = map[rune]string{'"': "quot", '&': "amp", '\'': "apos", '<': "lt", '>': "gt"}

// short are the letters that JSON has for control characters.
var short = map[rune]string{'\b': "b", '\f': "f", '\n': "n", '\r': "r", '\t': "t"}

func spell(b *strings.Builder, r rune) {
	if !escapable(r) {
		b.WriteString(regexp.QuoteMeta(string(r)))
		return
	}
	// The longest first: a backslash is a spelling of its own.
	b.WriteString("(?:(?i:")
	for _, unit := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(b, `\\{1,2}u%04x`, unit)
	}
	fmt.Fprintf(b, `|&#0{0,4}%d;|&#x0{0,4}%x;|`, r, r)
	for _, raw := range []byte(string(r)) {
		fmt.Fprintf(b, "%%(?:25)?%02x", raw)
	}
	b.WriteString(")")
	if name, ok := named[r]; ok {
		b.WriteString("|&" + name + ";")
	}
	if letter, ok := short[r]; ok {
		b.WriteString(`|\\{1,2}` + letter)
	}
	switch r {
	case '\\':
		b.WriteString(`|\\{4}|\\{2}`)
	case '"', '/', '\'':
		b.WriteString(`|\\{1,3}` + string(r))
	case ' ':
		b.WriteString(`|\+`)
	}
	b.WriteString("|" + regexp.QuoteMeta(string(r)) + ")")
}
